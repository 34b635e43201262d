/** Tests the two shapes of a log line. */
import assert from "node:assert/strict";
import { createLogger, type LoggerOptions } from "./log.ts";

function capture(options: LoggerOptions): { lines: string[]; options: LoggerOptions } {
  const lines: string[] = [];
  const now = () => new Date("2024-01-01T12:00:00.123Z");
  return { lines, options: { ...options, now, write: (line) => lines.push(line) } };
}

Deno.test("a JSON line carries time, level, message and the fields of its logger", () => {
  const { lines, options } = capture({ pretty: false });
  createLogger(options).child({ service: "ml" }).info("model loaded", { durationMs: 5 });
  assert.deepEqual(JSON.parse(lines[0] ?? ""), {
    time: "2024-01-01T12:00:00.123Z",
    level: "info",
    message: "model loaded",
    service: "ml",
    durationMs: 5,
  });
});

Deno.test("a field with a line break stays on one line", () => {
  const { lines, options } = capture({ pretty: true });
  createLogger(options).warn("odd", { reason: "a\nb", gone: undefined });
  assert.deepEqual(lines, ['12:00:00.123 warn  odd reason="a\\nb"']);
});

Deno.test("a log that takes no line, as on a full disk, stops nothing, and the next line is written once there is room", () => {
  const { lines, options } = capture({ pretty: false });
  let isFull = true;
  const write = (line: string) => {
    if (isFull) throw new Error("No space left on device");
    options.write?.(line);
  };
  const log = createLogger({ ...options, write });
  log.warn("lost");
  isFull = false;
  log.info("there");
  assert.deepEqual(lines.map((line) => JSON.parse(line).message), ["there"]);
});

Deno.test("lines below the level are not written", () => {
  const { lines, options } = capture({ pretty: false, level: "warn" });
  const log = createLogger(options);
  log.debug("a");
  log.info("b");
  log.error("c");
  assert.equal(lines.length, 1);
});

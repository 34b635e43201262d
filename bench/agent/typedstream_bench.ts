/**
 * Compares decoding message bodies with the agent's decoder to npm's `node-typedstream`, on the same bodies.
 *
 * `deno run -A bench/agent/typedstream_bench.ts [bodies]`. The agent's text decoder stops at the text; to be fair its runs
 * are measured as well, because node-typedstream always reads the entire archive. Times are those of the CPU, so that
 * other programs disturb them little.
 */
import process from "node:process";
import { decodeBodyRuns } from "../../agent/chatdb/body/body_runs.ts";
import { decodeAttributedBody } from "../../agent/chatdb/body/typedstream.ts";
import { writeLine } from "../../lib/log.ts";
import { type BodyPart, encodeBody } from "../../tests/support/chat_db/body.ts";
import { readWithOracle } from "../../tests/support/typedstream/typedstream_oracle.ts";

const DEFAULT_BODIES = 20_000;
const ROUNDS = 7;

type Decode = (body: Uint8Array) => unknown;

const SIDES: Record<string, Decode> = {
  "agent, text": decodeAttributedBody,
  "agent, text and runs": (body) => [decodeAttributedBody(body), decodeBodyRuns(body)],
  "node-typedstream": readWithOracle,
};

const SHORT: BodyPart[] = ["On my way, see you in ten"];
const EMOJI: BodyPart[] = ["haha 😂😂 c'est génial, до завтра 🎉"];
const LONG: BodyPart[] = [
  "The meeting moved to Friday; could you send me the notes before then? ".repeat(20),
];
const LINK: BodyPart[] = [
  "look: ",
  { text: "https://example.test/a", link: "https://example.test/a" },
  " nice",
];
const FILES: BodyPart[] = [{ attachmentGuid: "at_0_9C2E", fileName: "IMG_0001.HEIC" }, "from the beach"];

/** Mostly short texts, as in a real database; every tenth is long or has several runs. */
function mixedBodies(count: number): Uint8Array[] {
  const mix = [SHORT, EMOJI, SHORT, SHORT, LONG, SHORT, EMOJI, LINK, SHORT, FILES];
  return Array.from({ length: count }, (_, index) => {
    const parts = mix[index % mix.length] ?? SHORT;
    return encodeBody([...parts, String(index)], { mutable: index % 10 < 3 });
  });
}

/** CPU nanoseconds for one body, the best of all rounds; the sides take turns, so that a busy moment hurts both. */
function compare(bodies: readonly Uint8Array[]): Map<string, number> {
  const bestNs = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [side, decode] of Object.entries(SIDES)) {
      const before = process.cpuUsage();
      for (const body of bodies) decode(body);
      const { user, system } = process.cpuUsage(before);
      const ns = (user + system) * 1_000 / bodies.length;
      bestNs.set(side, Math.min(ns, bestNs.get(side) ?? Infinity));
    }
  }
  return bestNs;
}

function print(title: string, bodies: readonly Uint8Array[]): void {
  const bestNs = compare(bodies);
  const oracleNs = bestNs.get("node-typedstream") ?? NaN;
  const meanBytes = bodies.reduce((sum, body) => sum + body.length, 0) / bodies.length;
  writeLine(
    `${title}: ${bodies.length} bodies of ${meanBytes.toFixed(0)} bytes on average, best of ${ROUNDS} rounds`,
  );
  for (const [side, ns] of bestNs) {
    const ratio = `${(oracleNs / ns).toFixed(1)} x node-typedstream`;
    writeLine(`  ${side.padEnd(22)}${ns.toFixed(0).padStart(8)} ns/body${ratio.padStart(28)}`);
  }
}

const count = Number(Deno.args[0] ?? DEFAULT_BODIES);
print("mixed", mixedBodies(count));
print("short", Array.from({ length: count }, (_, index) => encodeBody([`ok ${index}`])));
print("64 KiB", Array.from({ length: Math.ceil(count / 20) }, () => encodeBody(["é".repeat(32_768)])));

// Tests of single checks of the doctor: their thresholds, and what they make of what the system really says.
import assert from "node:assert/strict";
import { join } from "node:path";
import { createChatDb } from "../../tests/support/chat_db/chat_db_fixture.ts";
import { localTimeText } from "../../lib/clock.ts";
import { thisMachine } from "../platform/machine.ts";
import type { AgentStatus } from "../run/agent_status.ts";
import { checkDisk } from "./mac_checks.ts";
import { checkMessagesDatabase } from "./messages_check.ts";
import { checkClock, checkPairing, checkServer, measureClockSkewMs } from "./server_check.ts";
import { inTempDir } from "../../tests/support/process/temp_dir.ts";

const NOW_MS = Date.UTC(2026, 5, 1, 12);
const MIB = 1024 * 1024;
const DAY_MS = 24 * 60 * 60 * 1_000;

Deno.test("clocks that differ by a minute are a warning, by ten minutes a failure, in either direction", () => {
  const statuses = [0, 59_999, -59_999, 60_000, -60_000, 599_999, 600_000, -3_600_000].map((skewMs) =>
    checkClock(skewMs)
  );
  assert.deepEqual(
    statuses.map(({ status }) => status),
    ["ok", "ok", "ok", "warning", "warning", "warning", "failure", "failure"],
  );
  assert.match(checkClock(90_000).message, /clock is 90 seconds ahead of the server's/);
  assert.match(checkClock(-3_600_000).message, /clock is 60 minutes behind the server's/);
  assert.match(checkClock(90_000).remedy?.pane?.url ?? "", /Date-Time-Settings/);
});

Deno.test("the difference of clocks is measured from any answer's Date, in the middle of the way there and back", async () => {
  const dates = [new Date(NOW_MS).toUTCString(), new Date(NOW_MS - 3_600_000).toUTCString(), "yesterday"];
  let at = 0;
  const answer = () => new Response("no", { status: 404, headers: { date: dates[at++] ?? "" } });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
  const times = [NOW_MS - 2_000, NOW_MS + 3_000, NOW_MS, NOW_MS, NOW_MS, NOW_MS].values();
  const measure = () =>
    measureClockSkewMs(`http://127.0.0.1:${server.addr.port}`, () => times.next().value ?? NaN);
  assert.equal(await measure(), 0, "half of a second is what the header leaves out on average");
  assert.equal(await measure(), 3_600_000 - 500);
  assert.equal(await measure(), null);
});

Deno.test("free space is judged by two bounds, in the folder or in the nearest one above it", async () => {
  await inTempDir(async (dir) => {
    const asked: string[] = [];
    const check = (bytes: number) =>
      checkDisk(join(dir, "not/yet/there"), {
        freeBytes: (folder) => {
          asked.push(folder);
          return Promise.resolve(bytes);
        },
      });
    const bounds = [2_048 * MIB, 2_047 * MIB, 200 * MIB, 199 * MIB, 0];
    const findings = await Promise.all(bounds.map(check));
    assert.deepEqual(findings.map(({ status }) => status), [
      "ok",
      "warning",
      "warning",
      "failure",
      "failure",
    ]);
    assert.match(findings[3]?.message ?? "", /^Only 199 MiB free for .*not\/yet\/there$/);
    assert.deepEqual(new Set(asked), new Set([dir]));
    assert.deepEqual([...Deno.readDirSync(dir)], [], "the check leaves nothing behind");
  });
});

Deno.test("the machine's free space is that which df tells", async () => {
  await inTempDir(async (dir) => {
    const { stdout } = await new Deno.Command("df", { args: ["-Pk", dir] }).output();
    const available = Number(new TextDecoder().decode(stdout).trim().split("\n")[1]?.split(/\s+/)[3]) * 1024;
    const free = await thisMachine().freeBytes(dir);
    // Other programs write to the same disk meanwhile.
    assert.ok(Math.abs(free - available) < 512 * MIB, `${free} and ${available}`);
  });
});

Deno.test("a database without messages, and one with a body that cannot be decoded, are warnings", async () => {
  await inTempDir((dir) => {
    const path = join(dir, "chat.db");
    using db = createChatDb(path);
    const statuses = () => checkMessagesDatabase(path, NOW_MS).map(({ id, status }) => [id, status]);
    assert.deepEqual(statuses(), [["full_disk_access", "ok"], ["messages_database", "warning"]]);
    const chat = db.addChat({ identifier: "+15550100001" });
    db.addMessage({ chat, from: "+15550100001", text: "hello", sentAt: new Date(NOW_MS - DAY_MS) });
    assert.deepEqual(statuses(), [["full_disk_access", "ok"], ["messages_database", "ok"]]);
    db.addMessage({
      chat,
      from: "+15550100001",
      text: "hello",
      sentAt: new Date(NOW_MS - DAY_MS),
      columns: { attributedBody: new Uint8Array([4, 11, 115, 116]) },
    });
    assert.deepEqual(statuses(), [["full_disk_access", "ok"], ["messages_database", "warning"]]);
  });
});

function look(
  state: AgentStatus["pairing"]["state"],
  { problem = null, fix = null, reachable = true, expiresInMs = 7 * DAY_MS }: {
    problem?: string | null;
    fix?: string | null;
    reachable?: boolean;
    expiresInMs?: number;
  } = {},
): Pick<AgentStatus, "server" | "pairing"> {
  const expiresAt = new Date(NOW_MS + expiresInMs).toISOString();
  return {
    server: { url: "http://127.0.0.1:3100", reachable, problem, fix },
    pairing: { state, deviceId: "d", expiresAt },
  };
}

Deno.test("an ended pairing is no fault of the server, and a server that is away leaves the pairing open", () => {
  const ended = look("ended", { problem: "The pairing has expired", fix: "Run `agent pair` to pair again" });
  assert.deepEqual([checkServer(ended).status, checkPairing(ended, NOW_MS).status], ["ok", "failure"]);
  const away = look("paired", {
    problem: "Cannot reach the server at X (refused)",
    fix: "Check that it runs",
    reachable: false,
  });
  assert.deepEqual([checkServer(away).status, checkPairing(away, NOW_MS).status], ["failure", "warning"]);
  assert.deepEqual(checkServer(away).message, "Cannot reach the server at X (refused)");
  assert.deepEqual(checkServer(away).remedy?.text, "Check that it runs");
  const failing = look("paired", {
    problem: "The server failed (status 500, request r)",
  });
  assert.equal(checkServer(failing).status, "failure");
});

Deno.test("a pairing that ends within two days is a warning with its end", () => {
  assert.equal(checkPairing(look("paired", { expiresInMs: 2 * DAY_MS }), NOW_MS).status, "ok");
  const soon = checkPairing(look("paired", { expiresInMs: 2 * DAY_MS - 1 }), NOW_MS);
  assert.equal(soon.status, "warning");
  assert.equal(soon.message, `The pairing ends ${localTimeText("2026-06-03T11:59:59.999Z")}`);
});

/** Tests of the Keychain store against a recorder that answers as `/usr/bin/security` does. */
import assert from "node:assert/strict";
import { messageOf, UserError } from "../../lib/errors.ts";
import { type RecordedAnswer, RecordedCommands } from "../../tests/support/mac/recorded_commands.ts";
import { createKeychainStore } from "./token_store.ts";

const ACCOUNT = "6f1c2a9e-0000-4000-8000-000000000001";
const TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkIn0.c2lnbmF0dXJl";

/** A keychain with one item, and a record of every command that reached it. */
class RecordedKeychain extends RecordedCommands {
  item: string | null = null;
  /** Exit code of every command while the keychain is locked. */
  lockedCode: number | null | undefined;

  constructor() {
    super((command, request) => this.#reply(command, request.stdin ?? ""));
  }

  #reply([, verb]: readonly string[], stdin: string): RecordedAnswer {
    if (this.lockedCode !== undefined) return { code: this.lockedCode, stderr: "locked" };
    if (verb === "-i") {
      const hex = /^add-generic-password -U -a "[^"]+" -s "[^"]+" -X ([0-9a-f]+)\n$/.exec(stdin)?.[1] ?? "";
      this.item = new TextDecoder().decode(Uint8Array.fromHex(hex));
      return 0;
    }
    if (this.item === null) return { code: 44, stderr: "could not be found" };
    if (verb === "find-generic-password") return { stdout: `${this.item}\n` };
    this.item = null;
    return 0;
  }
}

Deno.test("a secret is kept, read back and removed", async () => {
  const commands = new RecordedKeychain();
  const store = createKeychainStore({ account: ACCOUNT, commands });
  assert.equal(await store.read(), null);
  await store.write(TOKEN);
  assert.equal(await store.read(), TOKEN);
  await store.remove();
  await store.remove();
  assert.equal(await store.read(), null);
});

Deno.test("the commands are those of security, and no argument of a process ever shows the secret", async () => {
  const commands = new RecordedKeychain();
  const store = createKeychainStore({ account: ACCOUNT, commands });
  await store.write(TOKEN);
  await store.remove();
  const item = ["-a", ACCOUNT, "-s", "Conversation Assistant"];
  assert.deepEqual(commands.recorded.map(({ command }) => command), [
    ["/usr/bin/security", "-i"],
    ["/usr/bin/security", "find-generic-password", ...item, "-w"],
    ["/usr/bin/security", "delete-generic-password", ...item],
  ]);
  const visible = JSON.stringify(commands.recorded.map(({ command }) => command));
  assert.ok(!visible.includes(TOKEN));
  assert.ok(!visible.includes(commands.recorded[0]?.stdin?.split("-X ")[1]?.trim() ?? visible));
});

Deno.test("a locked keychain and one that does not answer are reported with what to do", async () => {
  const commands = new RecordedKeychain();
  const store = createKeychainStore({ account: ACCOUNT, commands });
  const failsWith = (pattern: RegExp) => (error: unknown) =>
    error instanceof UserError && pattern.test(messageOf(error)) && !messageOf(error).includes(TOKEN);
  for (const code of [36, 51]) {
    commands.lockedCode = code;
    await assert.rejects(store.read(), failsWith(/Unlock it with `security unlock-keychain`/));
    await assert.rejects(store.write(TOKEN), failsWith(/Unlock it/));
  }
  commands.lockedCode = null;
  await assert.rejects(store.remove(), failsWith(/did not answer/));
});

Deno.test("a write that the keychain only pretends to have done is noticed", async () => {
  const commands = new RecordedCommands(([, verb]) => verb === "-i" ? 0 : 44);
  await assert.rejects(createKeychainStore({ account: ACCOUNT, commands }).write(TOKEN), UserError);
});

Deno.test("a secret too long for security's line buffer is refused before anything is run", async () => {
  const commands = new RecordedKeychain();
  const store = createKeychainStore({ account: ACCOUNT, commands });
  await assert.rejects(store.write("x".repeat(2_048)), /too long/);
  assert.deepEqual(commands.recorded, []);
});

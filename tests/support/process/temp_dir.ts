/** A folder for one test or measurement, removed at its end. */

/** Runs a function with the path of a new, empty folder, and returns its result. */
export async function inTempDir<Result>(use: (dir: string) => Promise<Result> | Result): Promise<Result> {
  const dir = await Deno.makeTempDir();
  try {
    return await use(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

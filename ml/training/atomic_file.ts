/** Owns writing a file so that it appears whole or not at all. */

/**
 * Lets `write` fill a file beside `path`, makes it durable, and moves it there.
 *
 * @throws what `write` throws, and `Deno.errors` of the file system; the old file is then as it was
 */
export async function writeWholeFile(
  path: string,
  write: (partPath: string) => Promise<void> | void,
): Promise<void> {
  const partPath = `${path}.part-${crypto.randomUUID()}`;
  try {
    await write(partPath);
    using file = await Deno.open(partPath, { read: true, write: true });
    await file.sync();
    await Deno.rename(partPath, path);
  } catch (error) {
    await Deno.remove(partPath).catch(() => {});
    throw error;
  }
}

/** The list of the repository's source files. */

import { join } from "node:path/posix";

const SOURCE_FILE = /\.(?:ts|tsx|mts|js|jsx|mjs)$/;

/** Folders that hold no source of ours, wherever they stand. */
const LEFT_OUT = new Set(["node_modules", "data", "coverage"]);

/** Lists the TypeScript and JavaScript files under a folder as sorted paths from it; hidden folders are left out. */
export async function sourceFiles(root: string): Promise<string[]> {
  const files: string[] = [];
  const folders = [""];
  for (const folder of folders) {
    for await (const entry of Deno.readDir(join(root, folder))) {
      const path = join(folder, entry.name);
      if (entry.isFile && SOURCE_FILE.test(entry.name)) files.push(path);
      if (entry.isDirectory && !entry.name.startsWith(".") && !LEFT_OUT.has(entry.name)) folders.push(path);
    }
  }
  return files.sort();
}

/** Owns what is made under a temporary name and renamed when whole, so that a crash leaves nothing half made in place. */
import { join } from "node:path";
import { newId } from "../new_id.ts";

const PREFIX = "partial-";

/** A new temporary name in a folder. */
export function partialPath(folder: string): string {
  return join(folder, `${PREFIX}${newId()}`);
}

/** Removes what earlier runs left half made. */
export async function clearPartials(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    if (name.startsWith(PREFIX)) await Deno.remove(join(folder, name), { recursive: true });
  }
}

/** Owns where a service keeps its data when nobody says otherwise. */

/** Root's data lies where the unprivileged user that runs PostgreSQL can reach it; a checkout often does not. */
const ROOT_DATA_DIR = "/var/lib/conversation-assistant";

/** `./data`, or a system folder under root. */
export function defaultDataDir(): string {
  return Deno.build.os !== "windows" && Deno.uid() === 0 ? ROOT_DATA_DIR : "./data";
}

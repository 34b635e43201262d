/** Opens the address of the embedded PostgreSQL: a Unix socket in a private folder; on Windows a loopback port. */
import { ifPresent } from "../../../lib/files.ts";
import { giveTo, type Owner } from "./owner.ts";

/** An address that only this machine, and on Unix only this user, can reach. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** The folder of the socket; empty without one. */
  readonly socketDir: string;
  /** PostgreSQL's settings for it. */
  readonly settings: Readonly<Record<string, string | number>>;
}

/**
 * The path of a Unix socket ends at 107 bytes on Linux and 103 on macOS, and many file systems that hold data folders
 * cannot hold sockets, so the socket is here, whatever the data folder's path is.
 */
const SOCKET_PARENT = "/tmp";
const SOCKET_PREFIX = "conversation-assistant-";
/** PostgreSQL's own default; it also names the socket's file. */
const SOCKET_PORT = 5432;

async function openSocketFolder(owner: Owner | undefined): Promise<Endpoint> {
  const socketDir = await Deno.makeTempDir({ dir: SOCKET_PARENT, prefix: SOCKET_PREFIX });
  await giveTo(owner, socketDir);
  return {
    host: socketDir,
    port: SOCKET_PORT,
    socketDir,
    settings: {
      listen_addresses: "",
      port: SOCKET_PORT,
      unix_socket_directories: socketDir,
      unix_socket_permissions: "0700",
    },
  };
}

/** A loopback port that was free a moment ago. */
export function openLoopback(): Endpoint {
  const host = "127.0.0.1";
  const listener = Deno.listen({ hostname: host, port: 0 });
  const { port } = listener.addr;
  listener.close();
  return {
    host,
    port,
    socketDir: "",
    settings: { listen_addresses: host, port, unix_socket_directories: "" },
  };
}

/** Makes a new endpoint for one run of the postmaster. */
export async function openEndpoint(owner: Owner | undefined): Promise<Endpoint> {
  return Deno.build.os === "windows" ? openLoopback() : await openSocketFolder(owner);
}

/** Removes the socket's folder of a postmaster that has ended without its watchdog. */
export async function removeSocketFolder(socketDir: string): Promise<void> {
  if (!socketDir.startsWith(`${SOCKET_PARENT}/${SOCKET_PREFIX}`)) return;
  await ifPresent(Deno.remove(socketDir, { recursive: true }));
}

/**
 * Reads what `deno compile` put into a program: its files, without running it, for any platform.
 *
 * The format is that of Deno 2.9.6 (`deserialize_binary_data_section` in its cli/rt/binary.rs): between two magic words,
 * metadata, npm's snapshot, modules of the web, the tree of files, and their bytes.
 */
import { Buffer } from "node:buffer";
import { dirname, join } from "node:path";

const MAGIC = "d3n0l4nd";

/** Three empty tables: specifiers, redirects and modules of the web. We import none of these. */
const NO_REMOTE_MODULES = 12;

/** Where npm's packages lie in a program, in the layout of a folder of `DENO_DIR`. */
export const PACKAGES_FOLDER = ".deno_compile_node_modules/localhost";

type Entry =
  | { Dir: { n: string; e: Entry[] } }
  | { File: { n: string; o: [offset: number, length: number]; x?: boolean } }
  | { Symlink: { n: string; p: string[] } };

export interface EmbeddedFile {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface Program {
  readonly sizeBytes: number;
  /** The fields that are looked at; the first ones name what the program may do. */
  readonly metadata: {
    readonly permissions: Record<string, string[] | boolean | null>;
    readonly workspace_resolver: { readonly import_map: { readonly json: string } };
    readonly entrypoint_key: string;
    readonly self_extracting: string | null;
    readonly v8_flags: readonly string[];
  };
  readonly files: readonly EmbeddedFile[];
  /** Everything that was put into the runtime, for a search through all of it. */
  readonly section: Uint8Array;
}

/** Walks through parts with their length before them. */
class SectionReader {
  constructor(readonly bytes: Buffer, public at: number) {}

  next(): Buffer {
    const start = this.at + 8;
    this.at = start + Number(this.bytes.readBigUInt64LE(this.at));
    return this.bytes.subarray(start, this.at);
  }
}

function findSection(bytes: Buffer): number {
  for (let at = bytes.indexOf(MAGIC); at !== -1; at = bytes.indexOf(MAGIC, at + 1)) {
    const length = bytes.length > at + 17 ? Number(bytes.readBigUInt64LE(at + 8)) : 0;
    // The runtime holds the word as well, with code behind it.
    if (length > 0 && length < 1e7 && bytes[at + 16] === 0x7b) return at;
  }
  throw new Error("The file is no program of `deno compile`");
}

function filesOf(entries: readonly Entry[], data: Buffer, folder = ""): EmbeddedFile[] {
  return entries.flatMap((entry) => {
    if ("Dir" in entry) return filesOf(entry.Dir.e, data, `${folder}${entry.Dir.n}/`);
    if ("Symlink" in entry) throw new Error(`${folder}${entry.Symlink.n} is a link, which no product needs`);
    const { n, o: [offset, length] } = entry.File;
    return [{ path: folder + n, bytes: data.subarray(offset, offset + length) }];
  });
}

/** Reads a program. @throws Error when it is none, or of another version of the format */
export async function readProgram(path: string): Promise<Program> {
  const read = await Deno.readFile(path);
  const bytes = Buffer.from(read.buffer, read.byteOffset, read.byteLength);
  const start = findSection(bytes);
  const reader = new SectionReader(bytes, start + MAGIC.length);
  const metadata = JSON.parse(reader.next().toString());
  reader.next();
  if (bytes.subarray(reader.at, reader.at + NO_REMOTE_MODULES).some((byte) => byte !== 0)) {
    throw new Error("The program holds modules of the web");
  }
  reader.at += NO_REMOTE_MODULES;
  const tree: Entry[] = JSON.parse(reader.next().toString());
  const data = reader.next();
  const end = reader.at + MAGIC.length;
  if (bytes.toString("latin1", reader.at, end) !== MAGIC) {
    throw new Error("The program's files do not end well");
  }
  const files = filesOf(tree, data);
  return { sizeBytes: bytes.length, metadata, files, section: bytes.subarray(start, end) };
}

/** Writes a program's files below a folder: its own at `source`, npm's at `packages`, as a cache of Deno holds them. */
export async function extractProgram(
  program: Program,
  { source, packages }: { source: string; packages: string },
): Promise<void> {
  for (const { path, bytes } of program.files) {
    const isPackage = path.startsWith(`${PACKAGES_FOLDER}/`);
    const target = isPackage ? join(packages, path.slice(PACKAGES_FOLDER.length + 1)) : join(source, path);
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.writeFile(target, bytes);
  }
}

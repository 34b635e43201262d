/**
 * Fills the templates of the Homebrew tap for one release: a cask with the app and the agent, a formula each for server and ml.
 *
 *     deno run -A packaging/homebrew/render_tap.ts SHA256SUMS RELEASES_URL HOMEPAGE FOLDER
 */
import { dirname, join } from "node:path";
import { writeErrorLine } from "../../lib/log.ts";
import { VERSION } from "../../lib/version.ts";
import { archiveName, type Product, programName, releaseTag, type Target, TARGETS } from "../artifacts.ts";

export interface Release {
  /** Without a leading `v`. */
  version: string;
  /** SHA-256 in hexadecimal by the name of the archive. */
  checksums: ReadonlyMap<string, string>;
  /** Where releases are downloaded, without a trailing slash. */
  releasesUrl: string;
  homepage: string;
}

const DESCRIPTIONS = {
  server: "Server of Conversation Assistant: stores messages and drafts replies",
  ml: "Language model service of Conversation Assistant",
} as const;

const SHAPES = {
  version: /^\d+\.\d+\.\d+$/,
  releasesUrl: /^https:\/\/[\w./-]+[\w-]$/,
  homepage: /^https:\/\/[\w./-]+$/,
} as const;

function checkShapes(release: Release): void {
  for (const field of ["version", "releasesUrl", "homepage"] as const) {
    if (!SHAPES[field].test(release[field])) {
      throw new TypeError(`The release's ${field} cannot be ${release[field]}`);
    }
  }
}

/** Address and checksum of a product's archives, as `@URL_LINUX_X64@` and `@SHA256_LINUX_X64@`. */
function archiveValues(product: Product, release: Release): Record<string, string> {
  const targets = Object.keys(TARGETS) as Target[];
  const values = targets.filter((target) => product !== "menubar" || target.endsWith("darwin")).flatMap(
    (target) => {
      const name = archiveName(product, target, release.version);
      const checksum = release.checksums.get(name) ?? "";
      if (!/^[0-9a-f]{64}$/.test(checksum)) throw new TypeError(`The release has no checksum of ${name}`);
      const platform = TARGETS[target].name.toUpperCase().replace("-", "_");
      const url = `${release.releasesUrl}/${releaseTag(release.version)}/${name}`;
      return [[`@URL_${platform}@`, url], [`@SHA256_${platform}@`, checksum]];
    },
  );
  return Object.fromEntries(values);
}

function fill(template: string, values: Record<string, string>): string {
  return template.replaceAll(/@[A-Z0-9_]+@/g, (placeholder) => {
    const value = values[placeholder];
    if (value === undefined) throw new TypeError(`The template names ${placeholder}, which no release has`);
    return value;
  });
}

/** The files of the tap by their paths in it. @throws TypeError naming a value that is missing or cannot be one */
export function renderTap(
  templates: { cask: string; formula: string },
  release: Release,
): Map<string, string> {
  checkShapes(release);
  const common = {
    "@VERSION@": release.version,
    "@HOMEPAGE@": release.homepage,
    "@RELEASES@": release.releasesUrl,
  };
  const cask = fill(templates.cask, { ...common, ...archiveValues("menubar", release) });
  const files = new Map([["Casks/conversation-assistant.rb", cask]]);
  for (const part of ["server", "ml"] as const) {
    const values = {
      ...common,
      ...archiveValues(part, release),
      "@CLASS@": part === "server" ? "ConversationServer" : "ConversationMl",
      "@DESC@": DESCRIPTIONS[part],
      "@PROGRAM@": programName(part),
      "@PART@": part,
    };
    files.set(`Formula/${programName(part)}.rb`, fill(templates.formula, values));
  }
  return files;
}

/** The checksums of a file as `sha256sum` writes it. */
export function checksumsOf(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm)].map(([, sum = "", name = ""]) => [name, sum]),
  );
}

/** The templates, which lie beside this file. */
export async function readTemplates(): Promise<{ cask: string; formula: string }> {
  const read = (name: string) => Deno.readTextFile(new URL(name, import.meta.url));
  return { cask: await read("cask.rb.template"), formula: await read("formula.rb.template") };
}

if (import.meta.main) {
  const [sums = "", releasesUrl = "", homepage = "", folder = ""] = Deno.args;
  if (folder === "") {
    writeErrorLine("Usage: render_tap.ts SHA256SUMS RELEASES_URL HOMEPAGE FOLDER");
    Deno.exit(2);
  }
  const checksums = checksumsOf(await Deno.readTextFile(sums));
  const tap = renderTap(await readTemplates(), { version: VERSION, checksums, releasesUrl, homepage });
  for (const [path, text] of tap) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.writeTextFile(join(folder, path), text);
  }
}

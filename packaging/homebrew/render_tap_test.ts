// Tests of the tap: it asks for what builds are named, holds no value twice, and refuses what cannot be one. Ruby reads the
// files where it is installed; Homebrew itself runs nowhere here.
import assert from "node:assert/strict";
import { SERVICE_LABEL } from "../../agent/service/launch_agent_plist.ts";
import { archiveName, type Product, programName, type Target, TARGETS } from "../artifacts.ts";
import { checksumsOf, readTemplates, type Release, renderTap } from "./render_tap.ts";

const VERSION = "1.2.3";
const MACS: Target[] = ["aarch64-apple-darwin", "x86_64-apple-darwin"];

function archives(): string[] {
  const of = (product: Product, targets: Target[]) =>
    targets.map((target) => archiveName(product, target, VERSION));
  const all = Object.keys(TARGETS) as Target[];
  return [...of("menubar", MACS), ...of("server", all), ...of("ml", all)];
}

const RELEASE: Release = {
  version: VERSION,
  checksums: new Map(archives().map((name, index) => [name, index.toString(16).padStart(64, "0")])),
  releasesUrl: "https://example.org/releases/download",
  homepage: "https://example.org",
};

/** Each address that a file of the tap downloads, with the checksum that stands after it. */
function downloads(text: string): [url: string, sha256: string][] {
  const sums = [...text.matchAll(/"([0-9a-f]{64})"/g)].map(([, sum = ""]) => sum);
  const urls = [...text.matchAll(/^ *url "([^"]+)"$/gm)].map(([, url = ""]) => url);
  const arches = [...text.matchAll(/(?:arm|intel): +"(macos-[\w]+)"/g)].map(([, arch = ""]) => arch);
  const filled = urls.flatMap((url) =>
    url.includes("#{arch}")
      ? arches.map((arch) => url.replaceAll("#{version}", VERSION).replace("#{arch}", arch))
      : [url]
  );
  assert.equal(filled.length, sums.length, text);
  return filled.map((url, index) => [url, sums[index] ?? ""]);
}

Deno.test("the tap downloads every archive that is built for it, by its name and its checksum", async () => {
  const tap = renderTap(await readTemplates(), RELEASE);
  const found = [...tap.values()].flatMap(downloads);
  const expected = [...RELEASE.checksums].map((
    [name, sum],
  ) => [`${RELEASE.releasesUrl}/v${VERSION}/${name}`, sum]);
  assert.deepEqual(found.toSorted(), expected.toSorted());
});

Deno.test("cask and formulas install the programs by their names and stop the agent's service by its label", async () => {
  const tap = renderTap(await readTemplates(), RELEASE);
  const cask = tap.get("Casks/conversation-assistant.rb") ?? "";
  assert.ok(cask.includes(`uninstall launchctl: "${SERVICE_LABEL}"`));
  assert.ok(
    cask.includes(`app "${programName("menubar")}"`) && cask.includes(`target: "${programName("agent")}"`),
  );
  for (const part of ["server", "ml"] as const) {
    const formula = tap.get(`Formula/${programName(part)}.rb`) ?? "";
    assert.ok(formula.includes(`bin.install "${programName(part)}"`));
    assert.match(formula, /service do\n +run opt_bin/);
  }
  for (const text of tap.values()) {
    assert.match(text, /livecheck do/);
    assert.doesNotMatch(text, /@[A-Z]/);
    assert.equal((text.match(/\bdo$/gm) ?? []).length, (text.match(/^ *end$/gm) ?? []).length - ended(text));
  }
});

/** `end` of what opens without `do`. */
function ended(text: string): number {
  return (text.match(/^ *(?:class|def) /gm) ?? []).length;
}

Deno.test("a value that could not stand in a tap is refused", async () => {
  const templates = await readTemplates();
  const faults = { version: "v1", homepage: 'https://x"; evil', releasesUrl: "http://example.org" };
  for (const [field, value] of Object.entries(faults)) {
    assert.throws(
      () => renderTap(templates, { ...RELEASE, [field]: value }),
      new RegExp(`^TypeError: .*${field}`),
    );
  }
  assert.throws(() => renderTap({ ...templates, cask: "@NAME@" }, RELEASE), /@NAME@/);
  assert.throws(
    () => renderTap(templates, { ...RELEASE, checksums: new Map() }),
    /no checksum of Conversation-/,
  );
});

Deno.test("checksums are read as sha256sum writes them", () => {
  const sum = "f".repeat(64);
  assert.deepEqual(
    checksumsOf(`${sum}  a.tar.gz\n${sum} *b c.zip\n`),
    new Map([["a.tar.gz", sum], ["b c.zip", sum]]),
  );
});

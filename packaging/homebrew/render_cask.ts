/** Fills the Homebrew cask's template for one release. */

const TEMPLATE = new URL("conversation-assistant.rb.template", import.meta.url);

export interface Release {
  /** Without a leading `v`. */
  version: string;
  sha256Arm: string;
  sha256Intel: string;
  /** Where releases are downloaded, without a trailing slash. */
  releasesUrl: string;
  homepage: string;
}

const SHAPES: Record<keyof Release, RegExp> = {
  version: /^\d+\.\d+\.\d+$/,
  sha256Arm: /^[0-9a-f]{64}$/,
  sha256Intel: /^[0-9a-f]{64}$/,
  releasesUrl: /^https:\/\/[\w./-]+[\w-]$/,
  homepage: /^https:\/\/[\w./-]+$/,
};

const PLACEHOLDERS: Record<string, keyof Release> = {
  "@VERSION@": "version",
  "@SHA256_ARM@": "sha256Arm",
  "@SHA256_INTEL@": "sha256Intel",
  "@RELEASES@": "releasesUrl",
  "@HOMEPAGE@": "homepage",
};

/** The cask. @throws TypeError naming a value that cannot be one */
export function renderCask(template: string, release: Release): string {
  for (const [field, shape] of Object.entries(SHAPES) as [keyof Release, RegExp][]) {
    if (!shape.test(release[field])) {
      throw new TypeError(`The release's ${field} cannot be ${release[field]}`);
    }
  }
  return template.replaceAll(/@[A-Z0-9_]+@/g, (placeholder) => {
    const field = PLACEHOLDERS[placeholder];
    if (field === undefined) throw new TypeError(`The template names ${placeholder}, which no release has`);
    return release[field];
  });
}

if (import.meta.main) {
  const [version = "", sha256Arm = "", sha256Intel = "", releasesUrl = "", homepage = ""] = Deno.args;
  const release = { version, sha256Arm, sha256Intel, releasesUrl, homepage };
  await Deno.stdout.write(new TextEncoder().encode(renderCask(await Deno.readTextFile(TEMPLATE), release)));
}

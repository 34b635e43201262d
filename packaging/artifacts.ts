/** The names of what is released: one place for the builds, the tap, the release workflow and their tests. */
import { VERSION } from "../lib/version.ts";

/** What Deno can build for, and what others call the same platform. */
export const TARGETS = {
  "aarch64-apple-darwin": { npm: "darwin-arm64", llama: "mac-arm64-metal", name: "macos-arm64" },
  "x86_64-apple-darwin": { npm: "darwin-x64", llama: "mac-x64", name: "macos-x64" },
  "aarch64-unknown-linux-gnu": { npm: "linux-arm64", llama: "linux-arm64", name: "linux-arm64" },
  "x86_64-unknown-linux-gnu": { npm: "linux-x64", llama: "linux-x64", name: "linux-x64" },
} as const;
export type Target = keyof typeof TARGETS;

export const PRODUCTS = ["agent", "server", "ml", "menubar"] as const;
export type Product = typeof PRODUCTS[number];

/** The name of a program, as people type it, or of the app. */
export function programName(product: Product): string {
  return product === "menubar" ? "Conversation Assistant.app" : `conversation-${product}`;
}

/** The archive of one product for one platform, as a release holds it. */
export function archiveName(product: Product, target: Target, version: string = VERSION): string {
  const platform = TARGETS[target].name;
  return product === "menubar"
    ? `Conversation-Assistant-${version}-${platform}.zip`
    : `${programName(product)}-${version}-${platform}.tar.gz`;
}

/** The folder of a release below the address of all releases. */
export function releaseTag(version: string = VERSION): string {
  return `v${version}`;
}

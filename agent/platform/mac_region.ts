/** Finds the country that macOS is set to, which is the same for a terminal and for launchd, whatever LANG says. */
import { join } from "node:path";
import { decodePlist } from "../chatdb/body/binary_plist.ts";

/** Where macOS keeps what System Settings calls Language & Region. */
const PREFERENCES = "Library/Preferences/.GlobalPreferences.plist";
/** The settings of a person are a few kilobytes. */
const MAX_PREFERENCES_BYTES = 4 * 1024 * 1024;
/** A region that differs from the language's: `en_GB@rg=dezzzz`. */
const REGION_KEYWORD = /[@;]rg=([a-z]{2})zzzz/i;
const REGION = /^[a-z]{2,3}(?:[_-][a-z]{4})?[_-]([a-z]{2})(?![a-z])/i;

/** The country in a locale as macOS writes it, such as `de_DE` or `en_US@rg=dezzzz`; null for none. */
export function regionOfLocale(locale: string): string | null {
  const region = REGION_KEYWORD.exec(locale)?.[1] ?? REGION.exec(locale)?.[1];
  return region?.toUpperCase() ?? null;
}

/** The country that macOS is set to; null on other systems, and where its preferences cannot be read. */
export function macRegion(homeDir: string): string | null {
  try {
    const path = join(homeDir, PREFERENCES);
    if (Deno.statSync(path).size > MAX_PREFERENCES_BYTES) return null;
    const preferences = decodePlist(Deno.readFileSync(path));
    const locale = preferences instanceof Map ? preferences.get("AppleLocale") : null;
    return typeof locale === "string" ? regionOfLocale(locale) : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}

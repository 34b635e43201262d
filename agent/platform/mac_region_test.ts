// Tests of the country that macOS is set to, from a real binary property list.
import assert from "node:assert/strict";
import { encodePlist } from "../../tests/support/chat_db/binary_plist_writer.ts";
import { macRegion, regionOfLocale } from "./mac_region.ts";

Deno.test("a locale names a country, and a region of its own takes precedence", () => {
  const regions = {
    "de_DE": "DE",
    "en-GB": "GB",
    "zh_Hans_CN": "CN",
    "zh-Hant_TW": "TW",
    "en_US@rg=dezzzz": "DE",
    "en_DE@calendar=gregorian;currency=EUR": "DE",
    "en_US@calendar=buddhist;rg=thzzzz": "TH",
    "de": null,
    "en_001": null,
    "C": null,
    "": null,
  };
  for (const [locale, region] of Object.entries(regions)) {
    assert.equal(regionOfLocale(locale), region, locale);
  }
});

Deno.test("the country is read from the preferences of macOS, and there is none without them or in a damaged file", () => {
  const home = Deno.makeTempDirSync();
  try {
    assert.equal(macRegion(home), null);
    Deno.mkdirSync(`${home}/Library/Preferences`, { recursive: true });
    const path = `${home}/Library/Preferences/.GlobalPreferences.plist`;
    Deno.writeFileSync(path, encodePlist({ AppleLanguages: ["en-US"], AppleLocale: "en_US@rg=dezzzz" }));
    assert.equal(macRegion(home), "DE");
    Deno.writeFileSync(path, encodePlist({ AppleLocale: 7 }));
    assert.equal(macRegion(home), null);
    Deno.writeTextFileSync(path, "no property list");
    assert.equal(macRegion(home), null);
  } finally {
    Deno.removeSync(home, { recursive: true });
  }
});

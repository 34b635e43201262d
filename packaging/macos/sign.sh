#!/bin/bash
# Signs and notarizes the app that build.sh made. Runs on macOS, with a Developer ID in the keychain and a notarytool
# profile named "conversation-assistant".
set -eu

if [ $# -ne 3 ]; then
  echo "Usage: sign.sh APP IDENTITY ARCHIVE" >&2
  exit 2
fi
here="$(cd "$(dirname "$0")" && pwd)"
app="$1"
identity="$2"
archive="$3"
info="$app/Contents/Info.plist"

# Keys that are there already are replaced: PlistBuddy's Merge alone would keep the old ones.
for key in CFBundleIdentifier CFBundleName LSUIElement LSMinimumSystemVersion NSPrincipalClass \
  NSAppleEventsUsageDescription; do
  /usr/libexec/PlistBuddy -c "Delete :$key" "$info" 2>/dev/null || true
done
/usr/libexec/PlistBuddy -c "Merge $here/info_additions.plist" "$info"

# Left-over attributes of files make codesign fail with "resource fork, Finder information, or similar detritus".
xattr -cr "$app"

# From the inside out: what is signed must not change any more.
find "$app/Contents" -type f \( -name '*.dylib' -o -perm -u+x \) -print0 |
  while IFS= read -r -d '' file; do
    codesign --force --options runtime --timestamp --entitlements "$here/entitlements.plist" --sign "$identity" "$file"
  done
codesign --force --options runtime --timestamp --entitlements "$here/entitlements.plist" --sign "$identity" "$app"
codesign --verify --deep --strict "$app"

ditto -c -k --keepParent "$app" "$archive"
xcrun notarytool submit "$archive" --keychain-profile conversation-assistant --wait
xcrun stapler staple "$app"
spctl --assess --type execute --verbose "$app"

# Notarization does not run the program: a missing entitlement shows only here.
"$app/Contents/MacOS/agent" --version
program="$(/usr/libexec/PlistBuddy -c "Print :CFBundleExecutable" "$info")"
"$app/Contents/MacOS/$program" --version
rm -f "$archive"
ditto -c -k --keepParent "$app" "$archive"
shasum -a 256 "$archive"

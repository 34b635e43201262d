#!/bin/bash
# Puts the certificate of a release into a keychain of its own, on a build machine that is thrown away afterwards. Takes
# CERTIFICATE (a .p12 file in base64) and PASSWORD from the environment; with NOTARY_APPLE_ID, NOTARY_PASSWORD and
# NOTARY_TEAM also the profile that sign.sh notarizes with.
set -eu

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
keychain="$HOME/Library/Keychains/release.keychain-db"
keychain_password="$(openssl rand -hex 32)"

base64 --decode >"$folder/certificate.p12" <<<"$CERTIFICATE"
security create-keychain -p "$keychain_password" "$keychain"
security set-keychain-settings -lut 21600 "$keychain"
security unlock-keychain -p "$keychain_password" "$keychain"
security import "$folder/certificate.p12" -k "$keychain" -P "$PASSWORD" -T /usr/bin/codesign
security set-key-partition-list -S apple-tool:,apple: -k "$keychain_password" "$keychain" >/dev/null
security list-keychains -d user -s "$keychain"

if [ -n "${NOTARY_APPLE_ID:-}" ]; then
  xcrun notarytool store-credentials conversation-assistant --apple-id "$NOTARY_APPLE_ID" \
    --password "$NOTARY_PASSWORD" --team-id "$NOTARY_TEAM" --keychain "$keychain"
fi

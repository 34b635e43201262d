#!/bin/sh
# Builds "Conversation Assistant.app": the menubar app, with the agent's command line inside it. Not signed yet.
# Needs the network: `deno compile` and `deno desktop` fetch their runtimes. Runs on macOS.
set -eu

cd "$(dirname "$0")/../.."
out="${1:-data/packaging}"
app="$out/Conversation Assistant.app"
permissions="--allow-net --allow-read --allow-write --allow-env \
--allow-sys=hostname,osRelease,homedir,uid,statfs \
--allow-run=/usr/bin/security,/usr/bin/sw_vers,/usr/bin/osascript,/bin/launchctl,/usr/bin/open"

rm -rf "$out"
mkdir -p "$out"

# The window's own program. `output` must not end in .app twice, so the name is given without it.
# shellcheck disable=SC2086 # each permission is a word of its own
deno desktop $permissions --backend webview -o "$app" agent/desktop.ts

# The agent lies inside the app, because macOS gives its permissions to the app at a constant place
# (agent/service/service_program.ts looks for it there).
# shellcheck disable=SC2086
deno compile $permissions -o "$app/Contents/MacOS/agent" agent/main.ts

echo "Built $app. Next: packaging/macos/sign.sh \"$app\" \"Developer ID Application: …\""

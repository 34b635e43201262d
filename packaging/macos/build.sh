#!/bin/sh
# Builds "Conversation Assistant.app": the menubar app, with the agent's command line inside it. Not signed yet.
# Needs the network: `deno compile` and `deno desktop` fetch their runtimes. Runs on macOS, for either kind of Mac:
#   build.sh [FOLDER [aarch64-apple-darwin|x86_64-apple-darwin]]
set -eu

cd "$(dirname "$0")/../.."
out="${1:-data/packaging}"
app="$out/Conversation Assistant.app"
machine="$(uname -m | sed s/arm64/aarch64/)"
target="${2:-$machine-apple-darwin}"

rm -rf "$out"
mkdir -p "$out"

# Deno 2.9.6 is reported to write X.app.app when it is asked for X.app (denoland/deno#36780).
deno task compile menubar --target "$target" --output "$app"
if [ -d "$app.app" ]; then mv "$app.app" "$app"; fi

# The agent lies inside the app, because macOS gives its permissions to the app at a constant place
# (agent/service/service_program.ts looks for it there).
deno task compile agent --target "$target" --output "$app/Contents/MacOS/agent"

echo "Built $app. Next: packaging/macos/sign.sh \"$app\" \"Developer ID Application: …\" ARCHIVE"

#!/bin/sh
# Installs npm's verifier of sigstore bundles, for the suite that compares it with ours.
# usage: sigstore.sh      (into target/tools/npm; what is there already in these versions is kept)
# Needs node and npm. Scripts of packages are not run.
set -eu
wanted='@sigstore/bundle@4.0.0 @sigstore/verify@3.1.1'
folder=$(cd "$(dirname "$0")/../.." && pwd)/target/tools/npm
[ "$(cat "$folder/installed" 2>/dev/null)" = "$wanted" ] && exit 0
rm -rf "$folder"
mkdir -p "$folder"
# shellcheck disable=SC2086  # a list of words
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" $wanted
echo "$wanted" >"$folder/installed"

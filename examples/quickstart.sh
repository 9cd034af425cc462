#!/bin/sh
# From a clone to an AMI: compiles amiforge, builds a Debian web server, publishes it to a region on this machine and
# verifies it there. Needs cargo and a Debian mirror (AMIFORGE_DEB_MIRROR, or that of apt here); no root, no account.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --locked --package amiforge
amiforge=$PWD/target/release/amiforge
mkdir -p out/web
cp examples/web-server/recipe.toml out/web/
"$amiforge" lock out/web/recipe.toml
"$amiforge" fetch out/web/recipe.toml
"$amiforge" build out/web/recipe.toml --out out/web/bundle --force
ami=$("$amiforge" --quiet publish out/web/bundle --region local | grep -o 'ami-[0-9a-f]*' | head -n 1)
"$amiforge" verify "$ami" --bundle out/web/bundle --region local
echo "$ami" >out/web/ami
echo "boot it:  target/release/amiforge boot $ami --region local --get 80/"

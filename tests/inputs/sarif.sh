#!/bin/sh
# Makes the schema of SARIF 2.1.0 that OASIS publishes, as the crate serde-sarif carries it.
# usage: sarif.sh [FOLDER]        (default target/inputs; what is there already is kept)
# Needs cargo and the registry that it is set up with.
set -eu
folder=${1:-$(dirname "$0")/../../target/inputs}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

[ -f "$folder/sarif/schema.json" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/Cargo.toml" <<END
[package]
name = "schema"
version = "0.0.0"
edition = "2021"
[lib]
path = "lib.rs"
[dependencies]
serde-sarif = { version = "=0.8.0", default-features = false }
[workspace]
END
touch "$work/lib.rs"
cd "$work"
cargo vendor --quiet vendor >/dev/null
mkdir "$folder/.part-sarif"
cp vendor/serde-sarif/src/schema.json "$folder/.part-sarif/"
mv "$folder/.part-sarif" "$folder/sarif"

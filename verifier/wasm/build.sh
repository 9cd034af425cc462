#!/usr/bin/env bash
# Builds the verifier as WebAssembly and has node verify a bundle with it.
#
#   verifier/wasm/build.sh [BUNDLE]
#
# RUSTC may name a compiler that has the target wasm32-unknown-unknown; else one is laid out from Debian's packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}/wasm
if [ -z "${RUSTC:-}" ] && [ ! -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]; then
  RUSTC=$("$here/toolchain.sh" "$target/toolchain")
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER="$target/toolchain/rust-lld"
fi
[ -z "${RUSTC:-}" ] || export RUSTC
CARGO_TARGET_DIR=$target cargo build --locked --manifest-path "$here/../Cargo.toml" --no-default-features \
  --example amiforge_verify_wasm --target wasm32-unknown-unknown --profile small
module=$target/wasm32-unknown-unknown/small/examples/amiforge_verify_wasm.wasm
echo "$module: $(stat -c %s "$module") bytes"
[ $# = 0 ] || node "$here/verify.mjs" "$module" "$1"

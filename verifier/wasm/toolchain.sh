#!/usr/bin/env bash
# Lays out a compiler for wasm32-unknown-unknown from Debian's packages, beside what the machine has: no root, nothing is
# installed. Prints the program to set as RUSTC. The mirror is the one that apt of this machine uses.
#
#   verifier/wasm/toolchain.sh FOLDER
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
folder=$(mkdir -p "$1" && cd "$1" && pwd)
suite=${SUITE:-sid}
if [ -x "$folder/rustc" ]; then echo "$folder/rustc"; exit; fi

mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m 1 '/debian/*$')
state=$folder/apt
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/parts" "$folder/root"
touch "$state/status"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keyring] $mirror $suite main" >"$state/sources.list"
apt() {
  local program=$1
  shift
  "$program" -q -o Dir::State="$state" -o Dir::State::status="$state/status" -o Dir::State::lists="$state/lists" \
    -o Dir::Cache="$state/cache" -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts="$state/parts" \
    -o APT::Install-Recommends=false -o Debug::NoLocking=true -o APT::Sandbox::User=root "$@"
}
apt apt-get update >&2
# What the compiler and the linker of WebAssembly need, their libraries and loader included.
apt apt-get install --download-only --yes --no-install-recommends rustc libstd-rust-dev-wasm32 lld >&2
for package in "$state"/cache/archives/*.deb; do
  case ${package##*/} in
    gcc* | g++* | cpp* | binutils* | perl* | linux-libc-dev* | *-doc_* | dpkg-dev* | libgcc-*-dev*) continue ;;
  esac
  dpkg-deb --fsys-tarfile "$package" | tar -x -C "$folder/root" --exclude='./usr/share/doc' --exclude='./usr/share/man'
done
rm -rf "$state"

# The programs run with the libraries of their own release.
loader=$(find "$folder/root" -name 'ld-linux*.so*' | head -n 1)
libraries=$(find "$folder/root" -name 'lib*.so*' -printf '%h\n' | sort -u | paste -sd:)
wrap() {
  printf '#!/bin/sh\nexec %q --library-path %q --argv0 %q %q "$@"\n' "$loader" "$libraries" "$1" "$2" >"$folder/$3"
  chmod +x "$folder/$3"
}
wrap rustc "$folder/root/usr/bin/rustc" rustc-plain
wrap rust-lld "$(find "$folder"/root/usr/lib/llvm-*/bin -name lld | head -n 1)" rust-lld
# Started through a loader, the compiler does not see where it is.
printf '#!/bin/sh\nexec %q --sysroot %q "$@"\n' "$folder/rustc-plain" "$folder/root/usr" >"$folder/rustc"
chmod +x "$folder/rustc"
"$folder/rustc" --version >&2
echo "$folder/rustc"

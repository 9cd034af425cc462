#!/bin/sh
# Takes programs out of packages of Debian sid, without installing them: the oracles that a stable release has not.
# usage: sid.sh PACKAGE...      (into target/tools/bin; what is there already is kept)
# Needs apt and dpkg, and the Debian mirror that this host's apt uses. The lists and the packages stay below target/tools;
# apt checks them with the keys of debian-archive-keyring.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
tools=$root/target/tools
mkdir -p "$tools/bin" "$tools/sid/lists/partial" "$tools/sid/cache/archives/partial" "$tools/sid/debs"

missing=''
for package in "$@"; do
  [ -x "$tools/bin/$package" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

# The mirror of the release's main archive: security and other archives have no sid.
# shellcheck disable=SC2016  # apt expands them
mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
  sed -n 's/^Debian|Debian|//p' | head -n 1)
[ -n "$mirror" ] || { echo "sid.sh: apt has no archive of Debian on this host" >&2; exit 1; }
printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s sid main\n' "$mirror" >"$tools/sid/sources.list"

apt() {
  apt-get -qq -o Dir::Etc::SourceList="$tools/sid/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$tools/sid/lists" -o Dir::Cache="$tools/sid/cache" -o Acquire::Languages=none \
    -o APT::Sandbox::User=root "$@"
}
apt update
for package in $missing; do
  (cd "$tools/sid/debs" && rm -f "${package}_"*.deb && apt download "$package")
  unpacked=$(mktemp -d "$tools/sid/unpack.XXXXXX")
  dpkg -x "$tools/sid/debs/${package}_"*.deb "$unpacked"
  cp "$unpacked/usr/bin/$package" "$tools/bin/.$package.part"
  mv "$tools/bin/.$package.part" "$tools/bin/$package"
  rm -r "$unpacked"
done

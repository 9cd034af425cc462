#!/bin/sh
# Makes the large inputs of the end-to-end suites from Debian packages: a real root file system, and with --all a larger
# one, which only `cargo nextest run --profile night` and the benchmarks need.
# usage: make.sh [--all] [FOLDER]        (default target/inputs; what is there already is kept)
# Needs mmdebstrap, root or user namespaces, and the package mirror that this host's apt uses.
set -eu
all=
[ "${1:-}" != --all ] || { all=yes; shift; }
folder=${1:-$(dirname "$0")/../../target/inputs}
mkdir -p "$folder"
export SOURCE_DATE_EPOCH=1700000000
# The build of the roots is thousands of small files: in memory it takes a third of the time.
[ -d /dev/shm ] && [ -z "${TMPDIR:-}" ] && export TMPDIR=/dev/shm

base=systemd,systemd-sysv,linux-image-cloud-amd64,iputils-ping,systemd-boot-efi
more=python3-full,gcc,g++,linux-headers-cloud-amd64,perl-doc,manpages-dev,nodejs,npm,git,vim,clang,golang-go,python3-numpy,python3-sympy

make() { # NAME PACKAGES RECOMMENDS
  [ -f "$folder/$1" ] && return 0
  # The name ends in .tar: that is how mmdebstrap knows what to make.
  mmdebstrap --quiet --variant=minbase --aptopt="Apt::Install-Recommends \"$3\"" --include="$2" \
    bookworm "$folder/.part-$1"
  mv "$folder/.part-$1" "$folder/$1"
}
# about 350 MB and 11,600 entries: boots, has capabilities and POSIX ACLs
make min.tar "$base" false
# about 2.9 GB and 109,000 entries
[ -z "$all" ] || make big.tar "$base,$more" true

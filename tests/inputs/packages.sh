#!/bin/sh
# Makes the input of the suites that configure packages: what mmdebstrap makes of the packages of a minimal server image,
# and the packages themselves.
# usage: packages.sh [FOLDER]        (default target/inputs; what is there already is kept)
# Needs mmdebstrap, root or user namespaces, and the package mirror that this host's apt uses.
set -eu
folder=${1:-$(dirname "$0")/../../target/inputs}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
export SOURCE_DATE_EPOCH=1700000000
[ -d /dev/shm ] && [ -z "${TMPDIR:-}" ] && export TMPDIR=/dev/shm

packages=systemd-sysv,udev,dbus,linux-image-cloud-amd64,initramfs-tools,zstd,cloud-init,openssh-server
packages=$packages,ca-certificates,cloud-guest-utils,e2fsprogs,iproute2,netbase,systemd-resolved

[ -f "$folder/minimal.tar" ] && exit 0
rm -rf "$folder/minimal-debs" "$folder/.part-debs" && mkdir "$folder/.part-debs"
# The packages are copied out before mmdebstrap cleans up.
mmdebstrap --quiet --variant=minbase --include="$packages" \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
  --aptopt='APT::Keep-Downloaded-Packages "true"' \
  --skip=essential/unlink,download/unlink,install/unlink \
  --customize-hook="cp \"\$1\"/var/cache/apt/archives/*.deb '$folder/.part-debs/'" \
  bookworm "$folder/.part-minimal.tar"
mv "$folder/.part-debs" "$folder/minimal-debs"
mv "$folder/.part-minimal.tar" "$folder/minimal.tar"

#!/bin/sh
# Makes the test distribution of rpm packages: Debian's packages converted to signed rpms, with the repository metadata that
# createrepo_c writes. It boots with Debian's kernel, and some packages have scripts as those of Fedora's kin have them.
# usage: rpm.sh [FOLDER]        (default target/inputs/rpm; what is there already is kept)
# Makes: packages/*.rpm and repodata/ (the repository), key.asc (the key that signed the packages), updates/ (a repository
# with a newer kernel), foreign.asc (a key that signed nothing).
# Needs apt, dpkg-dev, rpm (rpmbuild, rpmsign), createrepo_c, gpg, python3, and the Debian mirror that this host's apt uses.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/../../target/inputs/rpm}
mkdir -p "$(dirname "$folder")"
folder=$(cd "$(dirname "$folder")" && pwd)/$(basename "$folder")
[ -d "$folder" ] && exit 0
export SOURCE_DATE_EPOCH=1700000000

# Thousands of small files: in memory it takes a third of the time.
[ -d /dev/shm ] && [ -z "${TMPDIR:-}" ] && export TMPDIR=/dev/shm
work=$(mktemp -d)
trap 'gpgconf --homedir "$work/gnupg" --kill all 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir -p "$work/debs/partial" "$work/gnupg" "$work/home"
# Two rpmbuilds at once would both make them.
for name in BUILD BUILDROOT RPMS/noarch RPMS/x86_64 SOURCES SPECS SRPMS; do
  mkdir -p "$work/build/$name"
done
chmod 700 "$work/gnupg"

# What the tests build images of; the rest of the closure follows.
packages='base-files base-passwd bash dash coreutils systemd-sysv udev dbus libpam-systemd libpam-runtime kmod
  linux-image-cloud-amd64 apache2 openssh-server iproute2 netbase ca-certificates e2fsprogs passwd login util-linux mount
  rpm dnf procps tzdata iputils-ping hostname grep sed gzip tar findutils diffutils ncurses-base ncurses-bin libc-bin zstd
  selinux-utils policycoreutils'
# Against an empty state apt takes the whole closure, whatever this host has.
# shellcheck disable=SC2086  # a list of words
apt-get -qq -y -o Dir::State::status=/dev/null -o Dir::Cache::archives="$work/debs" -o Debug::NoLocking=1 \
  -o APT::Install-Recommends=false -o APT::Sandbox::User=root --download-only install $packages >/dev/null

# The kernel before the newest: the image has it, and an upgrade brings the newer one.
newest=$(find "$work/debs" -name 'linux-image-[0-9]*' -printf '%f\n' | cut -d _ -f 1)
older=$(apt-cache pkgnames linux-image-6.1.0- | grep -e '-cloud-amd64$' | sort -V | grep -B 1 -x "$newest" | head -n 1)
(cd "$work/debs" && apt-get -qq -o APT::Sandbox::User=root download "$older")

# A key for this folder alone. rpm names gpg by another name than Debian has it.
export GNUPGHOME="$work/gnupg" HOME="$work/home"
for name in packages foreign; do
  gpg --batch --quiet --pinentry-mode loopback --passphrase '' \
    --quick-generate-key "Test distribution ($name)" rsa3072 sign 0
done
cat >"$HOME/.rpmmacros" <<EOF
%_topdir $work/build
%_dbpath $work/rpmdb
%__gpg $(command -v gpg)
%_gpg_name Test distribution (packages)
%_build_id_links none
%debug_package %{nil}
%__os_install_post %{nil}
%use_source_date_epoch_as_buildtime 1
%clamp_mtime_to_source_date_epoch 1
%_buildhost reproducible
%_binary_payload w3.zstdio
EOF

mkdir -p "$work/out/packages" "$work/out/updates"
# shellcheck disable=SC2086  # a list of words
python3 "$here/rpm/convert.py" "$work/debs" "$here/rpm/parts" "$work" $packages
mv "$work"/build/RPMS/*/*.rpm "$work/out/packages/"
find "$work/out/packages" -name 'kernel-*' | sort -V | tail -n 1 | xargs -I '{}' mv '{}' "$work/out/updates/"
find "$work/out" -name '*.rpm' -print0 | xargs -0 rpmsign --addsign >"$work/rpmsign" 2>&1 ||
  { cat "$work/rpmsign" >&2; exit 1; }
gpg --armor --export 'Test distribution (packages)' >"$work/out/key.asc"
gpg --armor --export 'Test distribution (foreign)' >"$work/out/foreign.asc"
for repository in "$work/out/packages" "$work/out/updates"; do
  createrepo_c --quiet --revision 1700000000 --set-timestamp-to-revision "$repository"
done
mv "$work/out" "$folder"

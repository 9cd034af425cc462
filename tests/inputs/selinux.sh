#!/bin/sh
# Makes the inputs of the tests that label files for SELinux and enforce a policy: Debian's reference policy as semodule compiles it,
# as the files of a machine (selinux-policy), and of these the texts that decide labels (selinux).
# usage: selinux.sh [FOLDER]        (default target/inputs; what is there already is kept)
# Needs policycoreutils (semodule) and the package mirror that this host's apt uses; neither root nor a kernel with SELinux.
set -eu
folder=${1:-$(dirname "$0")/../../target/inputs}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

[ -f "$folder/selinux/file_contexts" ] && [ -d "$folder/selinux-policy" ] && exit 0
export PATH="$PATH:/usr/sbin:/sbin"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get -q download selinux-policy-default
dpkg-deb -x selinux-policy-default_*.deb package
mkdir -p root/etc root/var/lib/selinux
cp -r package/etc/selinux root/etc/selinux
printf 'SELINUX=enforcing\nSELINUXTYPE=default\n' >root/etc/selinux/config
semodule -n -p "$work/root" -s default -i package/usr/share/selinux/default/*.pp*
# Without the compiled form of the files, libselinux reads these.
rm -rf "$folder/.part-selinux" "$folder/.part-policy"
mkdir -p "$folder/.part-selinux" "$folder/.part-policy/etc"
cp -r root/etc/selinux "$folder/.part-policy/etc/"
for name in '' .homedirs .local .subs .subs_dist; do
  file=root/etc/selinux/default/contexts/files/file_contexts$name
  [ ! -f "$file" ] || cp "$file" "$folder/.part-selinux/"
done
[ -d "$folder/selinux" ] || mv "$folder/.part-selinux" "$folder/selinux"
[ -d "$folder/selinux-policy" ] || mv "$folder/.part-policy" "$folder/selinux-policy"
rm -rf "$folder/.part-selinux" "$folder/.part-policy"

# Copies programs of this system and their libraries into the folder $1: the root that the scripts of the other packages run in.
root=$1
copy() { [ -e "$root$1" ] || install -D "$(readlink -f "$1")" "$root$1"; }
for p in /usr/bin/dash /usr/bin/cat /usr/bin/chown /usr/bin/chmod /usr/bin/mkdir /usr/bin/touch /usr/bin/ln /usr/bin/env /usr/bin/id /usr/bin/rpm /usr/sbin/useradd /usr/sbin/groupadd /usr/bin/getent /usr/bin/stat /usr/bin/rm /usr/bin/systemctl; do
  copy $p
  ldd $p | grep -o '/[^ ]*' | while read -r l; do l2=$(echo "$l" | sed 's,^/lib,/usr/lib,; s,^/usr/usr,/usr,'); [ -e "$root$l2" ] || install -D "$(readlink -f "$l")" "$root$l2"; done
done
mkdir -p $root/usr/lib/rpm; cp /usr/lib/rpm/macros /usr/lib/rpm/rpmrc $root/usr/lib/rpm/
ln -s dash $root/usr/bin/sh

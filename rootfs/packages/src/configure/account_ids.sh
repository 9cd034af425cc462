#!/bin/sh
# Gives the users and groups that a recipe numbers these numbers when a package makes them; everything else is left to
# the program itself. One script for adduser, addgroup, useradd and groupadd: adduser(8), useradd(8), groupadd(8); and for
# systemd-sysusers, which takes the changed copy of a file that it is given by its path: systemd-sysusers(8).
program=${0##*/}
real=/usr/sbin/.amiforge/$program
if [ "$program" = systemd-sysusers ]; then
    for word; do
        shift
        case $word in
        /usr/lib/sysusers.d/*) [ ! -e "/run/sysusers.d/${word##*/}" ] || word=/run/sysusers.d/${word##*/} ;;
        esac
        set -- "$@" "$word"
    done
    exec "$real" "$@"
fi

pinned() {
    while read -r kind name number; do
        if [ "$kind:$name" = "$1:$2" ]; then
            echo "$number"
            return
        fi
    done </run/amiforge/accounts
}

# Fails where another account has the number already: the programs would say so in words that do not name the recipe.
unused() {
    holder=$(getent "$1" "$3") || return 0
    holder=${holder%%:*}
    [ "$holder" != "$2" ] || return 0
    case $1 in
    passwd) table=user number=uid ;;
    *) table=group number=gid ;;
    esac
    echo "the recipe gives the $table \`$2\` the $number $3, which \`$holder\` of another package has already: give \`$2\` another \`$number\`, or \`$holder\` one of its own under \`[[$table]]\`" >&2
    exit 1
}

operands=0 account='' value='' system='' own_group='' uid='' gid=''
for word; do
    if [ -n "$value" ]; then
        value=''
        continue
    fi
    case $word in
    --system) system=yes ;;
    --group) own_group=yes ;;
    --uid | -u) uid=given value=yes ;;
    --uid=* | -u?*) uid=given ;;
    --gid | --ingroup | -g) gid=given value=yes ;;
    --gid=* | --ingroup=* | -g?*) gid=given ;;
    --no-user-group | -N) gid=given ;;
    --home | --home-dir | --base-dir | --shell | --gecos | --comment | --conf | --groups | --key | --password) value=yes ;;
    --firstuid | --lastuid | --firstgid | --lastgid | --expiredate | --inactive | --skel) value=yes ;;
    -[bcdefkpsGKPR]) [ "$program$word" = groupadd-f ] || value=yes ;;
    -*) ;;
    *) operands=$((operands + 1)) account=$word ;;
    esac
done
# Two operands add a user to a group.
[ "$operands" = 1 ] || exec "$real" "$@"

user=$(pinned user "$account")
group=$(pinned group "$account")
case $program in
adduser) [ -z "$own_group" ] || [ -n "$system" ] || program=addgroup ;;
useradd) [ -n "$gid" ] || own_group=yes ;;
esac
case $program in
addgroup | groupadd)
    [ -n "$group" ] && [ -z "$gid" ] || exec "$real" "$@"
    # adduser takes a group for a system group by its number, and would refuse one that is there with another.
    [ "$program" = groupadd ] || ! getent group "$account" >/dev/null || exit 0
    unused group "$account" "$group"
    [ "$program" = groupadd ] || exec "$real" --gid "$group" "$@"
    exec "$real" -g "$group" "$@"
    ;;
esac

# It takes a user for a system user by its number, too: one that is there is not made again.
if [ "$program" = adduser ] && [ -n "$user" ] && [ -n "$system" ] && getent passwd "$account" >/dev/null; then
    exit 0
fi
if [ -n "$group" ] && [ -n "$own_group" ]; then
    unused group "$account" "$group"
    getent group "$account" >/dev/null || /usr/sbin/.amiforge/groupadd -g "$group" "$account" || exit
fi
if [ -n "$own_group" ] && getent group "$account" >/dev/null && [ -n "$user$group" ]; then
    for word; do
        shift
        case $word in
        --group | --user-group | -U) ;;
        *) set -- "$@" "$word" ;;
        esac
    done
    case $program in
    adduser) set -- --ingroup "$account" "$@" ;;
    *) set -- -g "$account" "$@" ;;
    esac
fi
[ -n "$user" ] && [ -z "$uid" ] || exec "$real" "$@"
unused passwd "$account" "$user"
case $program in
adduser) exec "$real" --uid "$user" "$@" ;;
*) exec "$real" -u "$user" "$@" ;;
esac

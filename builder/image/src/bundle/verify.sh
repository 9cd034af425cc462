#!/bin/sh
# Checks the bundle that this script is in: that its files are those of SHA256SUMS, and who signed that list.
#
#   sh verify.sh                               checks the files, and lists the keys that signed; trusts nobody
#   sh verify.sh ALLOWED_SIGNERS               and demands a signature of somebody in that file of ssh-keygen(1); of so
#                                              many different ones as a line `# amiforge-threshold N` in it says
#   sh verify.sh ALLOWED_SIGNERS IDENTITY      and demands a signature of this one
#
# Needs sha256sum, tr and ssh-keygen (OpenSSH 8.2 or newer). `amiforge policy allowed-signers` writes ALLOWED_SIGNERS.
# Exit codes: 0 all is as signed, 1 it could not be checked, 3 something differs or a signature is missing.
# Whoever can change the bundle can change this script: run a copy from a bundle that you trust already.

set -u
LC_ALL=C
export LC_ALL
unset CDPATH

namespace=amiforge-bundle
different=0
seen=' '
count=0

cannot() {
    printf 'verify.sh: cannot check the bundle: %s\n' "$1" >&2
    exit 1
}

differs() {
    printf 'DIFFERENT  %s\n' "$1"
    different=1
}

# A name with nothing in it that a terminal would act on.
shown() {
    printf '%s' "$1" | tr -c 'A-Za-z0-9._/-' '?'
}

# Compares the file of a line `DIGEST  NAME` of SHA256SUMS.
check_line() {
    digest=${1%%  *}
    name=${1#*  }
    plain=${name#signing/}
    case $digest in
        *[!0-9a-f]* | '') differs 'SHA256SUMS has a line of another form'; return ;;
    esac
    case $plain in
        [.-]* | *[!A-Za-z0-9._-]* | '' | SHA256SUMS | "$1")
            differs "SHA256SUMS lists a name that no file of a bundle has: $(shown "$name")"
            return
            ;;
    esac
    if [ "${#digest}" -ne 64 ]; then
        differs 'SHA256SUMS has a line of another form'
        return
    fi
    case $seen in
        *" $name "*) differs "SHA256SUMS lists $name twice"; return ;;
    esac
    seen="$seen$name "
    if [ -L "./$name" ] || [ ! -f "./$name" ]; then
        differs "$name is missing, or not a regular file"
        return
    fi
    found=$(sha256sum <"./$name") || cannot "$name cannot be read"
    if [ "${found%% *}" = "$digest" ]; then
        count=$((count + 1))
    else
        differs "$name has SHA-256 ${found%% *}, and SHA256SUMS says $digest"
    fi
}

# Reports a file that SHA256SUMS does not list, which nobody signed.
check_listed() {
    name=${1#./}
    [ -e "$1" ] || [ -L "$1" ] || return 0
    case $name in
        SHA256SUMS) return 0 ;;
        signing | signatures)
            if [ -d "$1" ] && [ ! -L "$1" ]; then return 0; fi
            ;;
        *[!A-Za-z0-9._/-]*) ;;
        *)
            case $seen in
                *" $name "*) return 0 ;;
            esac
            ;;
    esac
    differs "$(shown "$name") is not in SHA256SUMS, so nobody signed it"
}

# The principal of ALLOWED_SIGNERS that made a signature; nothing if none did.
signer_of() {
    if [ -n "$identity" ]; then
        principal=$identity
    else
        principal=$(ssh-keygen -Y find-principals -f "$allowed" -s "$1" 2>/dev/null) || return 0
        principal=${principal%%,*}
        principal=${principal%%
*}
    fi
    if ssh-keygen -Y verify -f "$allowed" -I "$principal" -n "$namespace" -s "$1" \
        <./SHA256SUMS >/dev/null 2>&1; then
        printf '%s' "$principal" | tr -c 'A-Za-z0-9._@+-' '?'
    fi
}

# Checks a signature by the key in it, and looks up whose key that is.
check_signature() {
    file=$1
    id=${file#./signatures/}
    id=${id%.sig}
    case $id in
        *[!0-9a-f]*) differs "$(shown "$file") is not named as a signature is"; return ;;
    esac
    if [ -L "$file" ] || [ ! -f "$file" ]; then
        differs "signatures/$id.sig is not a regular file"
        return
    fi
    if ! good=$(ssh-keygen -Y check-novalidate -n "$namespace" -s "$file" <./SHA256SUMS 2>/dev/null); then
        differs "signatures/$id.sig is no signature of SHA256SUMS"
        return
    fi
    key=SHA256:${good##*SHA256:}
    if [ -z "$allowed" ]; then
        printf 'signed     by the key %s\n' "$key"
        return
    fi
    signer=$(signer_of "$file")
    if [ -z "$signer" ]; then
        printf 'unknown    signed by the key %s, which is not asked for\n' "$key"
        return
    fi
    printf 'signed     by %s, with the key %s\n' "$signer" "$key"
    case $signers in
        *" $signer "*) ;;
        *)
            signers="$signers$signer "
            signed=$((signed + 1))
            ;;
    esac
}

if [ "$#" -gt 2 ]; then
    cannot 'usage: sh verify.sh [ALLOWED_SIGNERS [IDENTITY]]'
fi
allowed=${1-}
identity=${2-}
if [ "$#" -gt 0 ]; then
    case $allowed in
        /*) ;;
        *) allowed=$PWD/$allowed ;;
    esac
    if [ ! -f "$allowed" ] || [ ! -r "$allowed" ]; then
        cannot 'ALLOWED_SIGNERS is not a file that can be read'
    fi
fi
if [ "$#" -eq 2 ] && [ -z "$identity" ]; then
    cannot 'IDENTITY is empty'
fi
case $0 in
    */*) cd -P -- "${0%/*}" || cannot 'the folder of verify.sh cannot be entered' ;;
esac
command -v sha256sum >/dev/null || cannot 'sha256sum is not installed'
if [ -L ./SHA256SUMS ] || [ ! -f ./SHA256SUMS ] || [ ! -r ./SHA256SUMS ]; then
    cannot 'there is no SHA256SUMS beside verify.sh'
fi

threshold=1
if [ -n "$allowed" ] && [ -z "$identity" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
            '# amiforge-threshold '*)
                threshold=${line#'# amiforge-threshold '}
                case $threshold in
                    '' | 0* | *[!0-9]* | ?????*) cannot 'the threshold in ALLOWED_SIGNERS is not a number' ;;
                esac
                break
                ;;
        esac
    done <"$allowed"
fi

while IFS= read -r line || [ -n "$line" ]; do
    check_line "$line"
done <./SHA256SUMS
for name in disk.raw manifest.json tree.txt; do
    case $seen in
        *" $name "*) ;;
        *) differs "SHA256SUMS does not list $name" ;;
    esac
done
for file in ./* ./.[!.]* ./..?* ./signing/* ./signing/.[!.]* ./signing/..?*; do
    check_listed "$file"
done
printf 'files      %s are as SHA256SUMS says\n' "$count"

signed=0
signers=' '
all=0
for file in ./signatures/*.sig; do
    [ -e "$file" ] || [ -L "$file" ] || continue
    if [ -L ./signatures ]; then
        differs 'signatures is a link'
        break
    fi
    command -v ssh-keygen >/dev/null || cannot 'ssh-keygen is not installed'
    all=$((all + 1))
    check_signature "$file"
done

if [ -n "$allowed" ] && [ "$signed" -lt "$threshold" ]; then
    who="of $threshold signers"
    [ -z "$identity" ] || who="of the signer $(printf '%s' "$identity" | tr -c 'A-Za-z0-9._@+-' '?')"
    differs "signatures $who are needed, and $signed are there"
fi
if [ "$different" -ne 0 ]; then
    printf 'result     NOT as signed\n'
    exit 3
fi
if [ -n "$allowed" ]; then
    printf 'result     as signed by%s\n' "${signers% }"
elif [ "$all" -eq 0 ]; then
    printf 'result     the files agree with SHA256SUMS, which nobody has signed\n'
else
    printf 'result     the files agree with SHA256SUMS; name ALLOWED_SIGNERS to say who may sign it\n'
fi
exit 0

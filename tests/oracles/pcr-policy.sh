#!/bin/bash
# Whether a TPM opens a secret that is bound to the key of PCR policies, in each state of a boot that was signed for and in no other:
#   pcr-policy.sh FOLDER KEY.pub
# FOLDER has `events`, a line for each event of PCR 11 with its digests in SHA-256 and SHA-384; where the line is `open ID BANK`, the
# policy ID.tbs and its signature ID.sig have to open the secret now; at `closed ID BANK` they must not.
set -euo pipefail
folder=$1 key=$2
cd "$folder"
port=$((20000 + $$ % 20000 / 2 * 2))
mkdir state
swtpm socket --tpm2 --tpmstate dir=state --server "type=tcp,port=$port,disconnect" --ctrl "type=tcp,port=$((port + 1))" \
    --flags not-need-init,startup-clear >swtpm.log 2>&1 &
tpm=$!
trap 'kill "$tpm" 2>/dev/null || true' EXIT
export TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$port"
for _ in $(seq 50); do tpm2_getcap properties-fixed >/dev/null 2>&1 && break; sleep 0.1; done

tpm2_loadexternal -Q -G rsa -C o -u "$key" -c key.ctx -n key.name
# Without a resource manager a TPM keeps three objects: each is in a file and loaded again where it is used.
flush() { tpm2_flushcontext -t; }
flush
tpm2_createprimary -Q -C o -c primary.ctx
flush
head -c 32 /dev/zero >any
tpm2_startauthsession -S trial.ctx
tpm2_policyauthorize -Q -S trial.ctx -L authorized -i any -n key.name
tpm2_flushcontext trial.ctx
printf 'a secret' | tpm2_create -Q -C primary.ctx -u sealed.pub -r sealed.priv -L authorized -i -
flush
tpm2_load -Q -C primary.ctx -u sealed.pub -r sealed.priv -c sealed.ctx
flush

opens() { # ID BANK
    tpm2_verifysignature -Q -c key.ctx -g sha256 -m "$1.tbs" -s "$1.sig" -t ticket -f rsassa || return 1
    flush
    tpm2_startauthsession --policy-session -S session.ctx
    tpm2_policypcr -Q -S session.ctx -l "$2:11"
    local secret=
    if tpm2_policyauthorize -Q -S session.ctx -L now -i "$1.tbs" -n key.name -t ticket 2>>refused; then
        secret=$(tpm2_unseal -p session:session.ctx -c sealed.ctx 2>>refused || true)
    fi
    tpm2_flushcontext session.ctx
    flush
    [ "$secret" = 'a secret' ]
}

while read -r word one two; do
    case $word in
    open) opens "$one" "$two" || { echo "$one does not open the secret"; exit 1; } ;;
    closed) if opens "$one" "$two"; then echo "$one opens the secret in another state"; exit 1; fi ;;
    event) tpm2_pcrextend "11:sha256=$one,sha384=$two" ;;
    esac
done <events

#!/bin/bash
# Gives a network namespace the address of the metadata service, starts it, and runs the steps of a test:
# driver.sh SERVICE FOLDER STEP...
set -eu
service=$1 folder=$2
shift 2
ip link set lo up
ip address add 169.254.169.254/32 dev lo
coproc python3 "$service" "$folder"
trap 'kill "$COPROC_PID"' EXIT
read -r _ <&"${COPROC[0]}"
for step in "$@"; do
    bash -c "$step" || echo "exit code $?"
done

#!/usr/bin/env bash
# Digest of the sources that the program is compiled from, as the output `digest`: the key of the cache that keeps it.
# A cache of another version must never be taken, and names of versions such as `v1` move.
set -euo pipefail
cd "$GITHUB_ACTION_PATH"
digest=$(find Cargo.toml Cargo.lock builder emulator formats progress rootfs -type f \
  -not -path '*/target/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
echo "digest=${digest%% *}" >>"$GITHUB_OUTPUT"

#!/usr/bin/env bash
# Makes a program `amiforge` the first one of later steps: the one that is named, the one of an earlier run, or a newly
# compiled one.
#
# AMIFORGE_ACTION_PROGRAM: path of an installed program, or empty. AMIFORGE_ACTION_ROOT: folder for a compiled one.
set -euo pipefail

link() {
  mkdir -p "$AMIFORGE_ACTION_ROOT/bin"
  ln -sf "$1" "$AMIFORGE_ACTION_ROOT/bin/amiforge"
}

if [ -n "$AMIFORGE_ACTION_PROGRAM" ]; then
  program=$(command -v -- "$AMIFORGE_ACTION_PROGRAM") || {
    echo "::error::the program of the action cannot be run"
    exit 2
  }
  link "$(realpath -- "$program")"
elif [ ! -x "$AMIFORGE_ACTION_ROOT/bin/amiforge" ]; then
  cargo install --locked --quiet --path "$GITHUB_ACTION_PATH/builder" --root "$AMIFORGE_ACTION_ROOT"
fi
"$AMIFORGE_ACTION_ROOT/bin/amiforge" --version
echo "$AMIFORGE_ACTION_ROOT/bin" >>"$GITHUB_PATH"

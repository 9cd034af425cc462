#!/bin/sh
# Compiles init.c, or another source beside it, for a machine: make.sh x86_64|aarch64 OUT [SOURCE]. The files beside it were
# made so with GCC 12 of Debian 12; a test makes them again where that compiler is at hand.
set -eu
here=$(dirname "$0")
case $1 in
x86_64) compiler=x86_64-linux-gnu-gcc-12 arch="-march=x86-64 -mno-sse -mcmodel=small -fcf-protection=none" ;;
aarch64) compiler=aarch64-linux-gnu-gcc-12 arch="-march=armv8-a -mgeneral-regs-only" ;;
esac
# shellcheck disable=SC2086  # a list of words
$compiler $arch -Os -std=gnu99 -Wall -Wextra -Werror -static -nostdlib -nostartfiles -ffreestanding \
  -fno-stack-protector -fno-asynchronous-unwind-tables -fno-pie -no-pie -fno-builtin \
  -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-z,max-page-size=4096 -s \
  -o "$2" "$here/${3:-init.c}"

#!/bin/sh
# Builds the kernel of the device lab, once for each recipe, and prints where it is:
#   test/device/build-kernel.sh CACHE
# Debian's kernels leave the driver gpio-sim off; without it there are no GPIO lines that a test can drive.
set -eu
here=$(CDPATH='' cd -- "$(dirname "$0")" && pwd)
cache=$1
source=/usr/src/linux-source-6.1.tar.xz
say() { echo "kernel: $*" >&2; }

# A recipe is this script, the options, and the source that Debian has today.
recipe=$(cat "$here/kernel.config" "$0" | sha256sum | cut -c 1-16)
image=$cache/kernel-$recipe
if [ -f "$image" ]; then
  echo "$image"
  exit 0
fi

missing=
for program in make gcc flex bison bc xz; do command -v "$program" > /dev/null || missing="$missing $program"; done
[ -f /usr/include/gelf.h ] || missing="$missing libelf-dev"
[ -f "$source" ] || missing="$missing linux-source-6.1"
if [ -n "$missing" ]; then
  say "missing:$missing. Type: sudo apt-get install make gcc flex bison bc xz-utils libelf-dev linux-source-6.1"
  exit 1
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/kernel-making-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
say "unpacking $source"
tar -C "$work" --strip-components=1 -xJf "$source"
cd "$work"
make -s KCONFIG_ALLCONFIG="$here/kernel.config" allnoconfig > /dev/null
# Kconfig drops an option whose conditions are not met, and says nothing.
dropped=$(grep '^CONFIG_' "$here/kernel.config" | grep -vxF -f .config || true)
if [ -n "$dropped" ]; then
  say "options that this source does not take as they are:" $dropped
  exit 1
fi
jobs=$(nproc)
say "compiling with $jobs jobs: some minutes, once"
nice -n 15 make -j"$jobs" bzImage 2> "$cache/kernel-errors" | awk '++n % 100 == 0 { print "kernel: " n " steps" > "/dev/stderr" }'
if [ ! -f arch/x86/boot/bzImage ]; then
  tail -n 20 "$cache/kernel-errors" >&2
  exit 1
fi
mv arch/x86/boot/bzImage "$image"
rm -f "$cache/kernel-errors"
say "ready after $(($(date +%s) - $(stat -c %Y "$work/.config"))) s"
echo "$image"

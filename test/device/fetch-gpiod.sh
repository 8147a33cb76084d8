#!/bin/sh
# Fetches the libgpiod tools of a Debian suite, once, without installing them, and prints the folder that belongs in PATH:
#   test/device/fetch-gpiod.sh CACHE SUITE
# bookworm has libgpiod 1.6, trixie 2.2. They come with the C library that they were linked with, so they run on another release.
set -eu
cache=$1
suite=$2
# A changed recipe is another folder.
folder=$cache/gpiod-$suite-$(sha256sum < "$0" | cut -c 1-16)
say() { echo "gpiod of $suite: $*" >&2; }
if [ -d "$folder" ]; then
  echo "$folder/bin"
  exit 0
fi
case $suite in
bookworm) library=libgpiod2 ;;
*) library=libgpiod3 ;;
esac

# The mirror that this machine uses for Debian; another suite of it needs lists of its own.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL) $(CREATED_BY)' | sed -n 's/ Debian Debian Packages$//p' | head -n 1)
if [ -z "$mirror" ]; then
  say "this machine has no mirror of Debian in its apt sources"
  exit 1
fi
mkdir -p "$cache"
work=$(mktemp -d "$cache/gpiod-making-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/root" "$work/new/bin" "$work/new/lib"
: > "$work/status"
cat > "$work/debian.sources" << END
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
apt() {
  apt-get -qq -o Dir::State="$work/state" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
    -o Dir::Etc::sourcelist="$work/debian.sources" -o Dir::Etc::sourceparts=/nonexistent -o APT::Sandbox::User=root "$@" >&2
}
say "fetching from $mirror"
cd "$work"
apt update
apt download gpiod "$library" libc6
for package in *.deb; do dpkg-deb -x "$package" root; done
find root -path '*-linux-gnu*' \( -name 'libgpiod.so.*' -o -name 'libc.so.6' -o -name 'ld-linux*' \) -exec cp -P {} new/lib/ \;
loader=$(cd new/lib && ls ld-linux* | head -n 1)
for tool in gpiomon gpiodetect gpiofind gpioget gpioinfo; do
  [ -f "root/usr/bin/$tool" ] || continue # gpiofind is gone in 2
  cp "root/usr/bin/$tool" "new/lib/$tool"
  printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$folder/lib/$loader" "$folder/lib" "$folder/lib/$tool" > "new/bin/$tool"
  chmod 755 "new/bin/$tool"
done
mv new "$folder"
say "ready: $("$folder/bin/gpiomon" --version | head -n 1)"
echo "$folder/bin"

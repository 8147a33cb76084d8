#!/usr/bin/env bash
# Builds a Debian package of this checkout for the machine that it runs on: native modules belong to one architecture.
# Usage: systemd/package.sh [FOLDER]   (default: dist). Prints the path of the package. Needs npm, dpkg-deb and `npm run build` done.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
out=${1:-$top/dist}
entry=$top/dist/src/cli/main.js
[ -f "$entry" ] || { echo "package.sh: $entry is missing; run: npm ci && npm run build" >&2; exit 69; }

version=$(node -p 'require(process.argv[1]).version' "$top/package.json")
architecture=$(dpkg --print-architecture)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 0755 "$stage"

# The program: what was compiled, and the packages that ship with it.
lib=$stage/usr/lib/stoep
mkdir -p "$lib/dist"
cp -r "$top/dist/src" "$top/dist/drivers" "$lib/dist/"
find "$lib/dist" -name '*.map' -delete
# What instruments said, which a new driver must not understand (stoep check-driver).
(cd "$top" && find drivers -path '*/captures/*.txt' -exec cp --parents -t "$lib" {} +)
cp "$top/package.json" "$top/package-lock.json" "$top/.npmrc" "$lib/"
(cd "$lib" && npm ci --omit=dev --no-audit --no-fund --loglevel=error >&2)
rm "$lib/.npmrc"
# Of the databases of addresses only the files for both IP versions are read: the others are 13 MB.
rm -f "$lib"/node_modules/@ip-location-db/*/*-ipv[46].mmdb
install -D -m 0755 "$here/stoep" "$stage/usr/bin/stoep"

# What systemd and udev read.
install -D -m 0644 "$here/stoep.service" "$stage/usr/lib/systemd/system/stoep.service"
install -D -m 0644 "$here/stoep.sysusers" "$stage/usr/lib/sysusers.d/stoep.conf"
install -D -m 0644 "$here/stoep.tmpfiles" "$stage/usr/lib/tmpfiles.d/stoep.conf"

# What people read.
doc=$stage/usr/share/doc/stoep
install -D -m 0644 "$top/LICENSE" "$doc/copyright"
install -D -m 0644 "$top/CHANGELOG.md" "$doc/CHANGELOG.md"
for example in "$here/60-stoep.rules" "$here/mosquitto-stoep.conf" "$here/README.md" "$top/config/node.example.yaml"; do
  if [ -f "$example" ]; then install -D -m 0644 "$example" "$doc/examples/$(basename "$example")"; fi
done

mkdir -p "$stage/DEBIAN"
cat > "$stage/DEBIAN/control" <<CONTROL
Package: stoep
Version: $version
Architecture: $architecture
Maintainer: ${STOEP_MAINTAINER:-whoever built this package <root@localhost>}
Installed-Size: $(du -sk "$stage" | cut -f1)
Depends: nodejs (>= 20.19), systemd (>= 252)
Recommends: gpiod
Section: net
Priority: optional
Description: runtime of a street sensor node
 Reads sensors over serial lines and GPIO, aggregates on the spot and
 forwards only summaries over MQTT.
CONTROL

for script in postinst prerm postrm; do
  install -m 0755 "$here/debian/$script" "$stage/DEBIAN/$script"
done

mkdir -p "$out"
package=$out/stoep_${version}_${architecture}.deb
dpkg-deb --root-owner-group --build "$stage" "$package" >&2
echo "$package"

#!/bin/sh
# The main job on one machine: installs the packages, builds, and lets alice offer bob a folder and a file. bob says yes, the files
# arrive, and they are compared. Everything it makes but the build lies in a temporary folder and goes away at the end.
set -eu
cd "$(dirname "$0")/.."
. examples/packages.sh
install_packages

[ -d build ] || meson setup build
ninja -C build peer/peer

work=$(mktemp -d)
peer=$PWD/build/peer/peer
alice() { HOME=$work PEER_HOME=$work/alice "$peer" "$@"; }
bob() { HOME=$work PEER_HOME=$work/bob "$peer" "$@"; }
show() { printf '\n%s$ peer' "$1"; who=$1; shift; printf ' %s' "$@"; echo; "$who" "$@"; }
finish() {
  alice stop >/dev/null 2>&1 || true
  bob stop >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir -p "$work/photos/2026" "$work/received"
head -c 3000000 /dev/urandom > "$work/photos/2026/beach.jpg"
head -c 20000000 /dev/urandom > "$work/photos/2026/film.mp4"
echo 'bring the tent' > "$work/notes.md"
ln -s 2026/beach.jpg "$work/photos/best.jpg"

# Two free ports: the usual one may be in use here.
set -- $(python3 -c 'import socket
s = [socket.socket() for _ in range(2)]
for x in s: x.bind(("127.0.0.1", 0))
print(*(x.getsockname()[1] for x in s))')
show alice start --background --name alice --listen 127.0.0.1 --port "$1"
show bob start --background --name bob --listen 127.0.0.1 --port "$2" --downloads "$work/received"
show alice add bob "127.0.0.1:$2" --yes
show alice offer bob "$work/photos" "$work/notes.md" --note 'from the trip' --no-wait

until bob offers --json | grep -q '"state":"pending"'; do sleep 0.1; done
show bob offers
show bob accept

diff -r "$work/photos" "$work/received/photos"
diff "$work/notes.md" "$work/received/notes.md"
show alice history
echo
echo 'What arrived is the same as what was offered.'

# Sourced: installs the Debian packages that building and testing need, if any is missing. Needs root or sudo only then.
packages="g++ meson ninja-build pkg-config cmake libasio-dev nlohmann-json3-dev libcxxopts-dev doctest-dev libssl-dev libxxhash-dev
  libsqlite3-dev libsqlitecpp-dev libtomlplusplus-dev libqrencode-dev python3 openssl iproute2 nftables"

install_packages() {
  missing=
  for package in $packages "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  echo "== installing$missing"
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get -q update
  # shellcheck disable=SC2086  # words on purpose
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $missing
}

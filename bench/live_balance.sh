#!/usr/bin/env bash
# How evenly real backends are used and how long clients wait when neighbours crowd one of them:
# haproxy's round robin and least connections beside ours, the same processes behind all three.
#
#   bench/live_balance.sh --install     installs haproxy (bench/packages.txt) first
#   bench/live_balance.sh               five rounds, ten minutes; --help tells more
#
# Builds release first, unless --build names a folder. Writes to a temporary folder only.
set -euo pipefail
root="$(dirname "$(dirname "$(readlink -f "$0")")")"
# shellcheck source=bench/support/install_and_build.sh
. "$root/bench/support/install_and_build.sh"
install_and_build "$root" \
  "pointsman-controller pointsman-agent pointsman-gateway pointsman pm-load pm-test-backend" "$@"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$root/bench:$root/deploy" exec python3 -m livebalance.main "${arguments[@]}"

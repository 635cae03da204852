#!/usr/bin/env bash
# A soak of the gateway's engine under the address sanitizer: mixed traffic, faults, attacks and a
# table that changes all the time, first plain, then over TLS. Builds what it needs.
#
#   tests/gateway/soak/run.sh [MINUTES]      10 without it, half of it each
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../../.."
minutes=${1:-10}
cmake --preset asan >/dev/null
cmake --build --preset asan --target gateway_soak_test
PM_SOAK_SECONDS=$((minutes * 30)) "$(find build-asan -name gateway_soak_test -type f -perm -u+x)"

#!/usr/bin/env bash
# Installs what is missing, builds everything, runs all tests; ctest's summary is the last thing
# printed. Arguments are passed to ctest (for example: tests/run.sh -L core).
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

deploy/install-packages.sh
# Configuring again costs seconds and finds files that were added.
echo "== configure"
cmake --preset dev >/dev/null
echo "== build ($(nproc) jobs)"
cmake --build --preset dev
echo "== test"
ctest --preset dev -j "$(nproc)" "$@"

#!/usr/bin/env bash
# Shows Pointsman at work on this machine: installs what it needs, builds, then starts a controller,
# a gateway, five backends with an agent each and a stream of requests, and breaks things.
#
#   deploy/demo.sh           the demo, about a minute and a half
#   deploy/demo.sh --keep    the same, and leaves everything running until Ctrl-C
#   deploy/demo.sh --check   the short form for CI; prints lines instead of redrawing
#
# Exit code 0: no request failed and every bar held; 1: one did not; 130: Ctrl-C.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

for option in "$@"; do
  case $option in
    --keep | --check) ;;
    -h | --help)
      sed -n '2,10s/^# \{0,1\}//p' deploy/demo.sh
      exit 0
      ;;
    *)
      echo "demo: unknown option $option; there are --keep, --check and --help" >&2
      exit 2
      ;;
  esac
done

deploy/install-packages.sh
echo "demo: building (the first build takes a few minutes, later ones seconds)"
cmake --preset dev >/dev/null
cmake --build --preset dev --target pointsman-controller pointsman-agent pointsman-gateway \
  pointsman pm-test-backend pm-load
exec python3 -B deploy/demo.py build/bin "$@"

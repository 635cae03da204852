#!/bin/bash
# Ours beside the published policies, in the simulated world: every scenario that is compared, each
# policy with the same seeds. Writes docs/policies.md; the same seeds give the same file everywhere.
#
#   bench/policies.sh [SEEDS [SCENARIO...]]     default: 10 seeds, all scenarios that are compared
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=${1:-10}
shift || true
program=${POINTSMAN_SIM:-build/bin/pointsman-sim}
if [ ! -x "$program" ]; then
  echo "policies.sh: no $program: build first (cmake --workflow --preset dev)" >&2
  exit 2
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$program" policies --seeds "$seeds" "$@" >"$folder/tables.md"
{
  cat bench/support/policies_head.md
  echo
  cat "$folder/tables.md"
} >docs/policies.md
grep -c '^Ours is first' docs/policies.md | sed 's/$/ scenarios in which ours is first/'
grep '^Better than ours' docs/policies.md || true

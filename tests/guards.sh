#!/bin/bash
# Takes the guards of docs/design/decisions.md away one at a time and shows that the test which its
# table names fails then, and only then. Builds two test programs in build-guards.
#
# Exit status 1: a test did not notice, or fails with the guard in place.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset guards >/dev/null
cmake --build --preset guards
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The program that holds a test, by its suite.
program_of() {
  for program in build-guards/tests/controller_core_test build-guards/tests/gateway_core_test; do
    "$program" --gtest_list_tests >"$folder/tests"
    if grep -qx "${1%%.*}\." "$folder/tests"; then
      echo "$program"
      return
    fi
  done
  echo "guards.sh: no program has the test $1" >&2
  return 1
}

failed=0
rows=0
while read -r guard test; do
  program=$(program_of "$test")
  rows=$((rows + 1))
  if ! "$program" --gtest_filter="$test" >"$folder/with.log" 2>&1; then
    echo "FAILS ALWAYS  $guard: $test"
    failed=1
  elif POINTSMAN_REMOVED_GUARD=$guard "$program" --gtest_filter="$test" >"$folder/without.log" 2>&1
  then
    echo "NOT NOTICED   $guard: $test passes without it"
    failed=1
  else
    echo "noticed       $guard: $test ($(grep -c ': Failure' "$folder/without.log") failures)"
  fi
done < <(sed -n 's/^| `\(k[A-Za-z]*\)` |.*| `\([A-Za-z]*\.[A-Za-z]*\)` |$/\1 \2/p' docs/design/decisions.md)
guards=$(sed -n '/^enum class Guard {/,/^};/p' common/core/guard.h | grep -c '^  k')
if [ "$rows" -ne "$guards" ]; then
  echo "guards.sh: $rows rows in docs/design/decisions.md for $guards guards in common/core/guard.h"
  failed=1
fi
exit $failed

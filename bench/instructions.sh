#!/usr/bin/env bash
# User instructions of the gateway's engine a request, counted by callgrind: one worker stepped with
# its clients and origins in one thread and simulated time. Repeats to within 0.5 %.
#
#   bench/instructions.sh [--build DIR] [--profile] [CASE ...]
#
# --profile also prints the functions that take most. Cases: see below; all without one. Needs
# valgrind and a release build (made unless --build names one). One JSON line a case at the end.
set -euo pipefail
root="$(dirname "$(dirname "$(readlink -f "$0")")")"
build=""
profile=""
wanted=()
while [ $# -gt 0 ]; do
  case "$1" in
    --build) build="$2"; shift ;;
    --profile) profile=1 ;;
    -*) echo "usage: bench/instructions.sh [--build DIR] [--profile] [CASE ...]" >&2; exit 2 ;;
    *) wanted+=("$1") ;;
  esac
  shift
done
if [ -z "$build" ]; then
  build="$root/build"
  (cd "$root" && cmake --preset dev >/dev/null &&
    cmake --build --preset dev --target pm-bench-engine-step >/dev/null)
fi

h2="--client-h2 --upstream-h2"
declare -A arguments=(
  [h1]="" [h1-20-fields]="--fields 20" [h1-16k]="--answer-bytes 16384 --request-bytes 16384"
  [h2-16x16]="$h2 --streams 16 --request-bytes 32" [h2-16x1]="$h2 --request-bytes 32"
  [h2-100x1]="$h2 --connections 100 --request-bytes 32"
  [h2-20-fields]="$h2 --streams 16 --request-bytes 32 --fields 20"
  [h1-access-log]="--access-log /dev/null"
  [h2-to-h1]="--client-h2 --streams 16" [h1-to-h2]="--upstream-h2")
order=(h1 h1-20-fields h1-16k h2-16x16 h2-16x1 h2-100x1 h2-20-fields h2-to-h1 h1-to-h2 h1-access-log)
[ ${#wanted[@]} -gt 0 ] || wanted=("${order[@]}")

folder="$(mktemp -d "${TMPDIR:-/tmp}/pm-instructions-XXXXXX")"
trap 'rm -rf "$folder"' EXIT
lines=()
printf '%-14s %12s %10s\n' case instructions requests/turn
for name in "${wanted[@]}"; do
  if [ -z "${arguments[$name]+known}" ]; then
    echo "no case is named $name; there are ${order[*]}" >&2
    exit 2
  fi
  # shellcheck disable=SC2086 # Several arguments on purpose.
  valgrind --tool=callgrind --toggle-collect='*MeasuredTurn*' \
    --callgrind-out-file="$folder/$name" "$build/bin/pm-bench-engine-step" ${arguments[$name]} \
    >"$folder/said" 2>"$folder/counted" || { cat "$folder/counted" >&2; exit 1; }
  collected="$(awk '/Collected :/ {print $NF}' "$folder/counted")"
  requests="$(jq .requests "$folder/said")"
  turns="$(jq .turns "$folder/said")"
  printf '%-14s %12d %10.1f\n' "$name" $((collected / requests)) \
    "$(jq -n "$requests / $turns")"
  lines+=("{\"bench\":\"instructions\",\"case\":\"$name\",\"instructions\":$((collected / requests)),\"requests\":$requests}")
  if [ -n "$profile" ]; then
    echo "  instructions a request, by function, without what it calls:"
    callgrind_annotate "$folder/$name" | awk -v requests="$requests" '
      /^ *[0-9,]+ \(/ && !/PROGRAM TOTALS/ {
        count = $1; gsub(",", "", count)
        if (count / requests < 20 || ++shown > 45) next
        sub(/^ *[0-9,]+ \([^)]*\) */, ""); sub(/^[^ :]*:/, ""); sub(/ \[.*/, "")
        printf "  %7d  %s\n", count / requests, substr($0, 1, 150)
      }'
  fi
done
printf '%s\n' "${lines[@]}"

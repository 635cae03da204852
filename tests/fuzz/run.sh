#!/usr/bin/env bash
# Fuzzes every target of a build with the preset "clang".
#   tests/fuzz/run.sh              a fixed number of inputs from a fixed seed: the same each time (CI)
#   tests/fuzz/run.sh SECONDS [TARGET...]   new inputs for so long each: to find what is not known
# Prints the input that broke a target; put it into tests/fuzz/corpus/TARGET with the mending.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
seconds=${1:-}
shift || true
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# About ten seconds each.
declare -A inputs=([config]=60000 [frame]=600000 [grpc_web]=400000 [http1]=200000 [http2]=200000 [json_body]=300000 [path]=900000
  [proxy_header]=160000)

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for target in build-clang/bin/*_fuzz; do
    names+=("$(basename "$target" _fuzz)")
  done
fi

for name in "${names[@]}"; do
  mkdir -p "$scratch/corpus/$name" "$scratch/findings/$name"
  cp -r "tests/fuzz/corpus/$name/." "$scratch/corpus/$name/"
  if [ -n "$seconds" ]; then
    bounds=(-max_total_time="$seconds")
    echo "fuzzing $name for $seconds s"
  else
    bounds=(-seed=1 -runs="${inputs[$name]:?tests/fuzz/run.sh does not say how many inputs $name gets}")
    echo "fuzzing $name with ${inputs[$name]} inputs"
  fi
  # Libraries of the system are not instrumented: a container may cross their border.
  if ! ASAN_OPTIONS=detect_container_overflow=0 "build-clang/bin/${name}_fuzz" "${bounds[@]}" \
      -artifact_prefix="$scratch/findings/$name/" -print_final_stats=1 \
      "$scratch/corpus/$name" >"$scratch/fuzz.log" 2>&1; then
    tail -n 60 "$scratch/fuzz.log"
    echo "input that broke $name, as base64:"
    find "$scratch/findings/$name" -type f -exec base64 {} \;
    exit 1
  fi
  grep -E 'number_of_executed_units|peak_rss_mb' "$scratch/fuzz.log"
done

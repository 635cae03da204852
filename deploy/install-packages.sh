#!/usr/bin/env bash
# Installs what deploy/packages.txt (or the list given) names and the machine lacks. Needs root or
# sudo only then.
set -euo pipefail
list="${1:-$(dirname "$(readlink -f "$0")")/packages.txt}"
mapfile -t wanted < <(sed 's/#.*//' "$list" | awk 'NF {print $1}')
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
    missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "packages: all ${#wanted[@]} are installed"
  exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "packages: missing ${missing[*]}" >&2
    echo "packages: run this as root, or install sudo, or: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "packages: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
# Two peers of the benchmarks start services when installed; policy-rc.d is not ours to write, so
# they are told not to start by the variable that invoke-rc.d reads.
"${as_root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

echo "packages: done"

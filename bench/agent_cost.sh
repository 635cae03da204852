#!/bin/bash
# What an agent costs its host: one agent with 10 services (an HTTP check every 2 s, metrics and a
# report every second) beside a real controller. Prints a table and one JSON line.
#
#   bench/agent_cost.sh [BIN_FOLDER] [SECONDS]     default: build/bin, 30 s
#
# Exit status 1: anonymous memory above 8 MiB or more than 0.5 % of a core.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "${1:-build/bin}")
seconds=${2:-30}
services=10
folder=$(mktemp -d)
pids=()

finish() {
  for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$folder"
}
trap finish EXIT

# start NAME PROGRAM ARGUMENTS...: waits for the ready file; sets ready_NAME's content in $ready.
start() {
  local name=$1 program=$2
  shift 2
  "$bin/$program" "$@" --ready-file "$folder/$name.ready" >"$folder/$name.log" 2>&1 &
  pids+=($!)
  for _ in $(seq 200); do
    [ -s "$folder/$name.ready" ] && break
    sleep 0.05
  done
  ready=$(cat "$folder/$name.ready") || { tail -n 5 "$folder/$name.log" >&2; exit 2; }
}

# field KEY: a text or number of the JSON object in $ready.
field() { sed -E "s/.*\"$1\": *\"?([^\",}]*).*/\1/" <<<"$ready"; }

{
  echo 'services:'
  for i in $(seq $services); do
    echo "- {name: service-$i, checks: [{http: {path: /healthz}, interval: 2s}]}"
  done
} >"$folder/controller.yaml"
start controller pointsman-controller --listen 127.0.0.1:0 --admin 127.0.0.1:0 \
  --data-dir "$folder/data" --config "$folder/controller.yaml" --log-level warning
controller=$(field grpc)

{
  echo 'instances:'
  for i in $(seq $services); do
    start "backend-$i" pm-test-backend --listen 127.0.0.1:0
    address=$(field listen)
    field pid >"$folder/backend-$i.pid"
    echo "- service: service-$i"
    echo "  id: instance-$i"
    echo "  address: $address"
    echo "  pid_file: $folder/backend-$i.pid"
    echo "  metrics_url: http://$address/metrics.json"
    echo "  restart: {argv: [/bin/true]}"
  done
} >"$folder/agent.yaml"
start agent pointsman-agent --config "$folder/agent.yaml" --id bench --controller "$controller" \
  --admin 127.0.0.1:0 --state-dir "$folder/state" --log-level warning
pid=$(field pid)
admin=$(field admin)

metric() { curl -s "http://$admin/metrics" | sed -n "s/^pointsman_agent_$1 //p"; }
for _ in $(seq 200); do
  [ "$(metric 'checks{status="passing"}')" = "$services" ] && break
  sleep 0.1
done
[ "$(metric 'checks{status="passing"}')" = "$services" ] || { echo 'checks do not pass' >&2; exit 2; }

# CPU time of the process in clock ticks: user and system.
ticks() { sed 's/.*) //' "/proc/$pid/stat" | awk '{print $12 + $13}'; }
before=$(ticks)
reports_before=$(metric reports_total)
start_ns=$(date +%s%N)
sleep "$seconds"
after=$(ticks)
elapsed_ns=$(($(date +%s%N) - start_ns))
reports=$(($(metric reports_total) - reports_before))
status() { sed -n "s/^$1:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$pid/status"; }
rss_anon=$(status RssAnon)
rss_file=$(status RssFile)
threads=$(status Threads)

awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" -v ns="$elapsed_ns" \
  -v anon="$rss_anon" -v file="$rss_file" -v threads="$threads" -v reports="$reports" \
  -v services=$services 'BEGIN {
  seconds = ns / 1e9; share = ticks / hz / seconds
  printf "%-28s %10s %10s\n", "agent with " services " services", "measured", "bound"
  printf "%-28s %7.2f MiB %6s MiB\n", "anonymous memory", anon / 1024, 8
  printf "%-28s %8.3f %% %8s %%\n", "CPU, share of one core", share * 100, 0.5
  printf "%-28s %7.2f MiB\n", "file-backed memory", file / 1024
  printf "%-28s %10d\n", "threads", threads
  printf "%-28s %10.2f\n", "reports/s", reports / seconds
  printf "{\"bench\": \"agent_cost\", \"services\": %d, \"seconds\": %.1f, \"rss_anon_kib\": %d, " \
         "\"rss_file_kib\": %d, \"cpu_share\": %.5f, \"threads\": %d, \"reports_per_second\": %.2f}\n",
         services, seconds, anon, file, share, threads, reports / seconds
  exit !(anon <= 8 * 1024 && share <= 0.005)
}'

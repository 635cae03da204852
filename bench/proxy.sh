#!/bin/sh
# CPU per request of the gateway beside a relay that parses nothing, and Debian's haproxy and nginx.
# bench/proxy.sh [--build DIR] [--rps N] [--seconds S] [--rounds N] [--connections N] [--bytes N]
#                [--only NAME,NAME]
# Needs a release build of pointsman-gateway, pm-relay, pm-load and pm-test-backend. haproxy and
# nginx are left out when they are not installed. Everything is written to a temporary folder.
exec python3 "$(dirname "$0")/proxy.py" "$@"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What cases of the lab share; docs/lab.md tells how a case is written. Sourced by those that run in the
# parent VM and by those that run on this machine.
set -euo pipefail

work=$(mktemp -d)
cleanups=()
# later COMMAND ...: done when the case ends, however it does; the last one first.
later() { cleanups=("$(printf '%q ' "$@")" "${cleanups[@]}"); }
finish() {
    local status=$? command
    trap - EXIT
    set +e
    for command in "${cleanups[@]}"; do
        eval "$command"
    done
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT
trap 'exit 143' TERM INT HUP

say() { echo "-- $*"; }

fail() {
    echo "FAILED: $*"
    [ ! -s "$work/out" ] || sed 's/^/stdout: /' "$work/out"
    [ ! -s "$work/err" ] || sed 's/^/stderr: /' "$work/err"
    exit 1
}

# expect STATUS COMMAND ...: it ends with STATUS; what it said is in $work/out and $work/err.
expect() {
    local wanted=$1 status=0
    shift
    "$@" > "$work/out" 2> "$work/err" || status=$?
    [ "$status" -eq "$wanted" ] || fail "'$*' ended with $status, not $wanted"
}

# said WORDS: the last command of expect has them in its output or its messages.
said() { grep -qF -- "$*" "$work/out" "$work/err" || fail "'$*' was not said"; }

# is WANTED SEEN [WHAT]
is() { [ "$1" = "$2" ] || fail "${3:-a value} is '$2', not '$1'"; }

# json FILTER: jq's answer about what the last command of expect printed.
json() { jq -er "$@" < "$work/out" || fail "no $* in it"; }

# until_true COMMAND ...: waits for something that comes by itself. Emulated machines are slow, so it gives
# up late.
until_true() {
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        ! "$@" > /dev/null 2>&1 || return 0
        sleep 0.2
    done
    fail "'$*' did not become true"
}

### In the parent VM

ne_cpus=/sys/module/nitro_enclaves/parameters/ne_cpus

# pages NUMBER [KIB [NODE]]: so many huge pages, of 2 MiB unless another size is given.
pages() {
    local folder=/sys/kernel/mm/hugepages
    [ -z "${3-}" ] || folder=/sys/devices/system/node/node$3/hugepages
    echo "$1" > "$folder/hugepages-${2:-2048}kB/nr_hugepages"
    is "$1" "$(cat "$folder/hugepages-${2:-2048}kB/nr_hugepages")" "the number of huge pages"
}

# pool CPUS: the driver's pool, without an allocator; until the case ends.
pool() {
    modprobe nitro_enclaves
    echo "$1" > "$ne_cpus"
    later pool_off
}

# A pool that is taken down answers EINVAL, which is how the driver does it.
pool_off() {
    echo > "$ne_cpus" 2> /dev/null || true
    is '' "$(tr -d '\n' < "$ne_cpus")" ne_cpus
}

# resources CPUS MIB: both, until the case ends.
resources() {
    pages $(($2 / 2))
    later pages 0
    pool "$1"
}

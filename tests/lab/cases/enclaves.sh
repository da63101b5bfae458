# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For cases in the parent VM that start enclaves and tell the hypervisor what to do. Sourced.
# shellcheck source=tests/lab/cases/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# control WORD ...: to the hypervisor, whose control socket answers at CID 2 in this VM; its answer, JSON, is
# in $answer
control() {
    answer=$(echo "$*" | timeout 120 socat -t 100 - VSOCK-CONNECT:2:1) || fail "the hypervisor does not answer"
    [[ $answer == *'"ok":true'* ]] || fail "control $*: $answer"
}
# try COMMAND ...: for until_true, when a failure would end the case
try() { ("$@"); }
# slots FILTER: what jq finds in the hypervisor's list of slots
slots() {
    control status
    jq -rc ".slots | $1" <<< "$answer"
}

# However the case ends, nothing that it started goes on.
reap() {
    local jobs
    mapfile -t jobs < <(jobs -p)
    [ ${#jobs[@]} -eq 0 ] || kill "${jobs[@]}" 2> /dev/null
    pkill -x nec
    nec terminate-enclave --all > /dev/null 2>&1
    pkill -x nec-holder
    until_true no_holder
}
no_holder() { ! pgrep -x nec-holder; }

end_all() {
    expect 0 nec terminate-enclave --all
}
# enclaves CPUS MIB: what the case's enclaves may have; it is given back when they are gone.
enclaves() {
    resources "$@"
    later reap
    remember
}
# [mib=NUMBER] start NAME [OPTION ...]: an enclave that answers at ports 7 and 9; it ends with the case.
start() {
    expect 0 nec run-enclave --eif-path /lab/lab-probe.eif --cpu-count 2 --memory "${mib:-128}" --boot-timeout 600 --enclave-name "$@"
}
# [cpus=NUMBER] [mib=NUMBER] [boot_timeout=SECONDS] launch [OPTION ...]: one that does not come to its boot: the
# image is small, so it is quick, and it would not boot.
launch() {
    nec run-enclave --eif-path /lab/small.eif --cpu-count "${cpus:-2}" --memory "${mib:-64}" --boot-timeout "${boot_timeout:-60}" "$@"
}

running() { nec describe-enclaves 2> /dev/null | jq -r '.[].EnclaveName' | sort | tr '\n' ' '; }
runs_nothing() { [ -z "$(running)" ]; }

# The machine without many processes, which cost time here: pages, CPUs, processes, sockets, slots.
snapshot() {
    local file value
    for file in /sys/devices/system/node/node*/hugepages/*/{nr,free}_hugepages /sys/devices/system/cpu/online $ne_cpus; do
        value=
        read -r value < "$file" || true
        echo "$file: $value"
    done
    for file in /proc/[0-9]*/comm; do
        { read -r value < "$file"; } 2> /dev/null || continue
        case $value in
        nec*) echo "process: $value" ;;
        esac
    done
    for file in /run/nitro_enclaves/* /run/nec/*; do
        # Folders come with the first enclave; before it there may be nothing at all.
        [ ! -e "$file" ] || [ -d "$file" ] || echo "$file"
    done
    control status
    jq -c '{slots, touched: .counts.touched_pages, freed_running: .counts.freed_running}' <<< "$answer"
}
# remember: what comes now is how it is to be; back WORDS: after these it is again.
remember() { snapshot > "$work/remembered"; }
is_back() {
    snapshot > "$work/now"
    cmp -s "$work/remembered" "$work/now"
}
# A process that was killed may have to end first.
back() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        ! is_back || return 0
        sleep 0.2
    done
    diff "$work/remembered" "$work/now" || true
    fail "not as before after: $*"
}

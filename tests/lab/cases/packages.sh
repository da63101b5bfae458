# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # lib.sh makes $work
# shellcheck source=tests/lab/cases/lib.sh
# For cases about nec's packages, in the parent VM; sourced behind lib.sh. At the end the packages that the lab has
# installed are there again.

# A lab of a build that was copied has none; those of CI have.
if [ ! -d /lab/packages ]; then
    say "nec was copied into this VM (NEC_LAB_BUILD), and is no package"
    exit 1
fi

config=/etc/nitro_enclaves/allocator.yaml
service=nitro-enclaves-allocator.service

# apt without a network, and without questions
apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq --yes -o APT::Sandbox::User=root -o Dpkg::Options::=--force-confold \
        --allow-downgrades "$@"
}

version_of() { dpkg-query -W -f '${Version}' "$1"; }

# The administrator's changes go with what the case has installed; what is set aside is given back.
first_again() {
    [ ! -e "$config" ] || sed -i '/# mine$/d' "$config"
    apt install --reinstall /lab/packages/*.deb > /dev/null
    rm -f "$config".dpkg-*
    systemctl --quiet disable "$service" 2> /dev/null
    systemctl stop "$service"
    systemctl reset-failed "$service" 2> /dev/null
    nec allocator release > /dev/null
}

set_aside() { cat "$ne_cpus" /sys/kernel/mm/hugepages/*/nr_hugepages; }

# higher: packages in $work/higher, the same as of version 99, with another default in the configuration
higher() {
    local package tree=$work/tree
    mkdir "$work/higher"
    for package in /lab/packages/*.deb; do
        dpkg-deb -R "$package" "$tree"
        sed -i 's/^Version: .*/Version: 99/' "$tree/DEBIAN/control"
        [ ! -e "$tree$config" ] || echo '# another default' >> "$tree$config"
        dpkg-deb --root-owner-group -Znone -b "$tree" "$work/higher" > /dev/null
        rm -r "$tree"
    done
    chmod 755 "$work"
}

# Also when there is no nec to be asked.
end_enclave() {
    kill "$holder" 2> /dev/null || true
    until_true sh -c "! kill -0 $holder"
}

# An enclave, until the case ends.
start_enclave() {
    expect 0 nec run-enclave --eif-path /lab/demo.eif --cpu-count 2 --memory 256 --enclave-name stays --debug-mode
    enclave=$(json .EnclaveID)
    holder=$(json .ProcessID)
    later end_enclave
    expect 0 sh -c 'echo before | nec connect --enclave-name stays --wait 120 7'
}

# It is the same one, seen by whatever nec is installed now.
enclave_runs() {
    expect 0 nec describe-enclaves
    is "$enclave" "$(json -r '.[0].EnclaveID')" "the enclave"
    is RUNNING "$(json -r '.[0].State')" "its state"
    is "$holder" "$(json '.[0].ProcessID')" "its process"
    expect 0 sh -c 'echo still here | nec connect --enclave-name stays 7'
    said still here
}

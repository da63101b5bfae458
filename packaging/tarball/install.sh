#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what lies beside this script into /usr/local, and configuration into /etc where there is none yet.
#
#   ./install.sh                 as root
#   ./install.sh --nitro-cli     also under the name nitro-cli, where nothing is called so yet
#   ./install.sh --uninstall     stops the allocator, removes what the installation lists; configuration and logs stay
#
# DESTDIR=FOLDER installs into a folder and leaves this machine alone.
set -eu
root=${DESTDIR:-}
prefix=/usr/local
service=nitro-enclaves-allocator.service
list=$prefix/share/nec/installed-files
nitro_cli=false

# From where systemd looks, not only here: a machine without it has no use for them.
set_up_machine() {
    if command -v systemd-sysusers > /dev/null && command -v systemd-tmpfiles > /dev/null; then
        systemd-sysusers "$prefix/lib/sysusers.d/nec.conf"
        systemd-tmpfiles --create "$prefix/lib/tmpfiles.d/nec.conf"
    else
        getent group ne > /dev/null || groupadd --system ne
        install -d -m 0775 -o root -g ne /run/nitro_enclaves /run/nec /run/nec/console /run/nec/records \
            /var/log/nitro_enclaves
    fi
    if [ -d /run/udev ]; then
        udevadm control --reload || true
        udevadm trigger --subsystem-match=misc --sysname-match=nitro_enclaves || true
    fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
    fi
}

# The one that was installed here, not one of the same name elsewhere. What it could not give back is said: a unit that is
# gone is not to have failed for ever.
stop_service() {
    [ "$(systemctl show --value --property FragmentPath "$service")" = "$prefix/lib/systemd/system/$service" ] || return 0
    systemctl --quiet disable --now "$service" || true
    systemctl --quiet reset-failed "$service" 2> /dev/null || true
    if [ -e /run/nec-allocator/state ]; then
        echo "Memory and CPUs for enclaves stay set aside until the next boot, or 'nec allocator release' when nec is" \
            "installed again"
    fi
}

uninstall() {
    [ -e "$root$list" ] || { echo "install.sh: nothing is installed in $root$prefix" >&2; exit 1; }
    if [ -z "$root" ] && [ -d /run/systemd/system ]; then
        stop_service
    fi
    while read -r file; do
        rm -f "$root$file"
    done < "$root$list"
    rm -f "$root$list"
    rmdir "$root$prefix/share/nec" "$root$prefix/libexec/nec" 2> /dev/null || true
    if [ -z "$root" ] && [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
    fi
    if [ -z "$root" ] && pidof nec-holder > /dev/null 2>&1; then
        echo "Enclaves are running, and go on. To end them later: kill $(pidof nec-holder)"
    fi
}

# The new file is complete before it replaces the old one: running programs keep theirs.
install_file() {
    mkdir -p "$root$prefix/$(dirname "$1")"
    cp -p "$1" "$root$prefix/$1.new"
    mv -f "$root$prefix/$1.new" "$root$prefix/$1"
    echo "$prefix/$1" >> "$root$list.new"
}

install_all() {
    mkdir -p "$root$prefix/share/nec"
    : > "$root$list.new"
    find bin sbin libexec lib share -type f 2> /dev/null | while read -r file; do
        install_file "$file"
    done
    if $nitro_cli; then
        if [ -e "$root$prefix/bin/nitro-cli" ] && [ "$(readlink "$root$prefix/bin/nitro-cli" || true)" != nec ]; then
            echo "install.sh: $root$prefix/bin/nitro-cli is another program: left alone" >&2
        else
            ln -sfn nec "$root$prefix/bin/nitro-cli"
            echo "$prefix/bin/nitro-cli" >> "$root$list.new"
        fi
    fi
    mv "$root$list.new" "$root$list"
    find etc -type f | while read -r file; do
        mkdir -p "$root/$(dirname "$file")"
        [ -e "$root/$file" ] || cp "$file" "$root/$file"
    done
}

cd "$(dirname "$0")"
case ${1:-} in
--uninstall)
    uninstall
    exit 0
    ;;
--nitro-cli) nitro_cli=true ;;
'') ;;
*)
    sed -n '3,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
# A name that an earlier installation brought is kept.
if [ "$(readlink "$root$prefix/bin/nitro-cli" || true)" = nec ]; then
    nitro_cli=true
fi
umask 022
install_all
[ -n "$root" ] || set_up_machine

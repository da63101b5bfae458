#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the files beside this script: a kernel package as `dpkg-deb -x` leaves it (no modules.dep),
small enough to commit. Nothing in it can run: headers are genuine, contents are empty.
Needs xz, zstd and gzip for the compressed modules. Run it in its own folder."""
import os
import struct
import subprocess

RELEASE = "6.1.0-1-test"
MODULES = f"lib/modules/{RELEASE}"
# path below the folder of modules, dependencies, compression
FILES = [
    ("kernel/drivers/virtio/virtio.ko", "", None),
    ("kernel/drivers/virtio/virtio_ring.ko", "virtio", None),
    ("kernel/drivers/virtio/virtio_mmio.ko", "virtio,virtio_ring", "gz"),
    ("kernel/drivers/virtio/virtio_pci.ko", "virtio-ring,virtio", None),
    ("kernel/net/vmw_vsock/vsock.ko", "", "xz"),
    ("kernel/net/vmw_vsock/vmw_vsock_virtio_transport_common.ko", "vsock,virtio_ring", "zst"),
    ("kernel/net/vmw_vsock/vmw_vsock_virtio_transport.ko",
     "vmw_vsock_virtio_transport_common,virtio,vsock", None),
    ("kernel/test/loop-a.ko", "loop_b", None),
    ("kernel/test/loop-b.ko", "loop_a", None),
    ("kernel/test/orphan.ko", "not_there", None),
]
PACK = {"gz": ["gzip", "-9n"], "xz": ["xz", "-9", "--check=crc32"], "zst": ["zstd", "-q", "-19"]}


def module(name, depends):
    """An x86_64 relocatable with no section but .modinfo and the names of sections."""
    modinfo = b"".join(text.encode() + b"\0" for text in (
        "license=GPL", f"depends={depends}", f"name={name.replace('-', '_')}",
        f"vermagic={RELEASE} SMP preempt mod_unload modversions "))
    names = b"\0.modinfo\0.shstrtab\0"
    sections_at = (64 + len(modinfo) + len(names) + 7) & ~7
    header = b"\x7fELF" + bytes([2, 1, 1] + [0] * 9) + struct.pack(
        "<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, sections_at, 0, 64, 0, 0, 64, 3, 2)

    def section(name_at, kind, offset, size):
        return struct.pack("<IIQQQQIIQQ", name_at, kind, 0, 0, offset, size, 0, 0, 1, 0)

    body = (header + modinfo + names).ljust(sections_at, b"\0")
    return (body + bytes(64) + section(1, 1, 64, len(modinfo))
            + section(10, 3, 64 + len(modinfo), len(names)))


def bzimage():
    image = bytearray(4096)
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x202:0x208] = b"HdrS\x0f\x02"
    image[0x20E:0x210] = struct.pack("<H", 0x100)
    text = f"{RELEASE} (nec@test) #1 SMP".encode()
    image[0x300:0x300 + len(text)] = text
    return bytes(image)


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def main():
    write(f"boot/vmlinuz-{RELEASE}", bzimage())
    write(f"boot/config-{RELEASE}",
          b"#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.99 Kernel "
          b"Configuration\n#\n# CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES is not set\n")
    for path, depends, pack in FILES:
        name = os.path.basename(path)[:-3]
        data = module(name, depends)
        if pack:
            data = subprocess.run(PACK[pack], input=data, stdout=subprocess.PIPE,
                                  check=True).stdout
        write(f"{MODULES}/{path}{'.' + pack if pack else ''}", data)
    write(f"{MODULES}/modules.order", "".join(f"{path}\n" for path, _, _ in FILES).encode()
          + b"kernel/test/lost.ko\n")
    write(f"{MODULES}/modules.builtin", b"kernel/drivers/tty/serial/8250/8250.ko\n"
          b"kernel/fs/built-in.ko\n")


main()

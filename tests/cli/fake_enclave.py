# SPDX-License-Identifier: Apache-2.0
"""A simulated enclave without a machine: its socket, and programs at a few ports, in a process of its
own, so that its end can be noticed."""

import contextlib
import hashlib
import os
import signal
import socket
import threading
import time

PATIENCE = 60
CHUNK = bytes(range(256)) * 256


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"this did not come true: {what}"
        time.sleep(0.02)


def read_all(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def echo(connection):
    while part := connection.recv(65536):
        connection.sendall(part)
    connection.shutdown(socket.SHUT_WR)


def first_all_then_answer(connection):
    connection.sendall(b"got %d" % len(read_all(connection)))


def never_read(connection):
    del connection
    time.sleep(PATIENCE)


def checksum(connection):
    digest = hashlib.sha256()
    while part := connection.recv(1 << 20):
        digest.update(part)
    connection.sendall(digest.digest())


def source(connection):
    for _ in range(1024):
        connection.sendall(CHUNK)


PORTS = {7: echo, 8: first_all_then_answer, 9: never_read, 10: checksum, 11: source}


def serve(connection):
    line = b""
    while not line.endswith(b"\n"):
        part = connection.recv(1)
        if not part:
            return
        line += part
    word, port = line.split()
    with connection:
        if word == b"CONNECT" and int(port) in PORTS:
            connection.sendall(b"OK 1073741824\n")
            with contextlib.suppress(OSError):
                PORTS[int(port)](connection)


def run(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path + ".new")
    listener.listen(64)  # as the holder
    os.rename(path + ".new", path)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


class Enclave:
    def __init__(self, folder, cid):
        self.path = os.path.join(folder, "sim", f"{cid}.vsock")
        self.process = os.fork()
        if self.process == 0:
            try:
                run(self.path)
            finally:
                os._exit(1)
        try:
            until(lambda: os.path.exists(self.path), "the enclave is there")
        except BaseException:
            self.end()
            raise

    def end(self):
        if not self.process:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        self.process = None


def call_parent(folder, port, cid=16, kind=socket.SOCK_STREAM):
    """A connection of the enclave to a port of its parent."""
    guest = socket.socket(socket.AF_UNIX, kind)
    guest.settimeout(PATIENCE)
    guest.bind(f"\0nec-vsock/{cid}.0/3.{port}/{os.getpid()}.{time.monotonic_ns()}")
    guest.connect(os.path.join(folder, "sim", f"parent_{port}"))
    return guest

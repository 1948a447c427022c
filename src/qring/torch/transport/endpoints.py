"""Endpoints: addresses at which ranks listen, and connecting to them within a deadline."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass

from qring.errors import InputError
from qring.torch.transport.liveness import SLICE_S

__all__ = ["HELLO_BYTES", "LOOPBACK", "Endpoint", "dial", "hello", "listen", "own_address"]

LOOPBACK = "127.0.0.1"
HELLO_BYTES = 20
_LOCAL = ("localhost", LOOPBACK, "::1")
_ANYWHERE = "192.0.2.1"  # reserved for documentation: no packet is sent there, only a route sought


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Address of a listening rank, and the token that callers of its group present."""

    host: str
    port: int
    token: bytes


def hello(to: Endpoint, rank: int) -> bytes:
    """The first bytes on a connection: the listener's token and the caller's rank."""
    return to.token + rank.to_bytes(4, "little")


def dial(to: Endpoint, first: bytes, check: Callable[[], None]) -> socket.socket:
    """Connect, send ``first`` and return the connection, whose calls time out after ``SLICE_S``.

    ``check`` is called every ``SLICE_S`` and raises when there is no use in waiting any longer.

    Raises:
        OSError: nobody listens there, or the host cannot be reached.
    """
    found = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)[0]
    connection = socket.socket(found[0], socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = connection.connect_ex(found[4])
        if code == errno.EINPROGRESS:
            poll = select.poll()
            poll.register(connection, select.POLLOUT)
            while not poll.poll(int(1000 * SLICE_S)):
                check()
            code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        connection.settimeout(SLICE_S)
        connection.sendall(first)  # a new connection takes so few bytes at once
    except BaseException:
        connection.close()
        raise
    return connection


def listen(host: str) -> socket.socket:
    """A listener on a free port.

    Raises:
        InputError: the host has no such address.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.bind((host, 0))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise InputError(
            f"cannot listen on {host} ({error}); set QRING_HOST, or Options.host, to an address "
            "of this host that the others can reach"
        ) from None
    return listener


def own_address(towards: str | None) -> str:
    """The address by which other hosts reach this one.

    That is the one which faces ``towards``, the host of the store if there is one; else the one
    that faces ``MASTER_ADDR``; else that of the way out; else that of the host's name.
    """
    asked = [towards, os.environ.get("MASTER_ADDR"), _ANYWHERE, socket.gethostname()]
    for target in asked:
        if target and target not in _LOCAL:
            found = _facing(target)
            if found is not None and not found.startswith("127.") and found != "::1":
                return found
    return LOOPBACK


def _facing(target: str) -> str | None:
    with contextlib.suppress(OSError):
        family, *_, address = socket.getaddrinfo(target, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    return None

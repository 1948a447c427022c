"""Rendezvous of a new group's ranks through the store, and the channels between them."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch.distributed import PrefixStore, Store, TCPStore

from qring.errors import InputError, PeerError
from qring.torch.options import Options
from qring.torch.transport.arena import Arena
from qring.torch.transport.channels import Channel, MemoryChannel
from qring.torch.transport.collective import CollectiveTransport
from qring.torch.transport.endpoints import (
    HELLO_BYTES,
    LOOPBACK,
    Endpoint,
    dial,
    hello,
    listen,
    own_address,
)
from qring.torch.transport.liveness import SLICE_S, Liveness
from qring.torch.transport.point_to_point import PointToPoint
from qring.torch.transport.sockets import SocketChannel

__all__ = ["join"]


_CHECK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    """A rank's process, host and settings, as the others see them."""

    pid: int
    descriptor: int | None
    token: str
    kernel: str
    network: str
    settings: str

    def shares_host(self, other: _Identity) -> bool:
        """Whether two ranks are on one host: same kernel, same network namespace."""
        return (self.kernel, self.network) == (other.kernel, other.network)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ports:
    """The arenas that a rank has mapped, and the endpoints at which it listens."""

    arenas: list[int]
    host: str
    port: int
    messages_port: int


def join(
    store: Store, names: Sequence[int], rank: int, options: Options, timeout: timedelta
) -> tuple[CollectiveTransport, PointToPoint]:
    """Return this rank's transport, connected to all other ranks, and its point-to-point one.

    ``names`` are the global ranks, by rank in the group.

    Raises:
        PeerError: a rank did not come within ``timeout`` or failed, or the store is gone.
        InputError: ranks disagree about the options, or memory was asked for and cannot be had.
    """
    size = len(names)
    token = secrets.token_bytes(16)
    arena, descriptor = Arena.create(rank, size, token)
    liveness = Liveness(arena, names)
    liveness.begin("set-up", timeout.total_seconds())
    transport = CollectiveTransport(arena, size, liveness)
    exchange = _StoreExchange(store, names, rank, timeout)
    liveness.also_check = exchange.check
    with contextlib.ExitStack() as if_it_fails, contextlib.ExitStack() as anyway:
        if descriptor is not None:
            anyway.callback(os.close, descriptor)  # by then, all who can map the memory have
        if_it_fails.callback(transport.close)
        if_it_fails.push(exchange.announce)
        identity = _Identity(
            pid=os.getpid(),
            descriptor=descriptor if options.transport != "tcp" else None,
            token=token.hex(),
            kernel=_kernel(),
            network=_network(),
            settings=options.settings,
        )
        identities = [
            _Identity(**fields) for fields in exchange.all_values("identity", asdict(identity))
        ]
        _check_settings(identities, names)
        arenas = _map(identities, arena)
        on_one_host = all(other.shares_host(identity) for other in identities)
        host = options.host or (LOOPBACK if on_one_host else own_address(_host_of(store)))
        listener = anyway.enter_context(listen(host))
        messages_listener = if_it_fails.enter_context(listen(host))
        own = _Ports(
            arenas=sorted(arenas),
            host=listener.getsockname()[0],
            port=listener.getsockname()[1],
            messages_port=messages_listener.getsockname()[1],
        )
        found = [_Ports(**fields) for fields in exchange.all_values("reach", asdict(own))]
        reach = [other.arenas for other in found]
        by_memory = _by_memory(rank, identities, reach)
        if options.transport == "memory" and len(by_memory) < size - 1:
            missing = [names[r] for r in range(size) if r != rank and r not in by_memory]
            raise InputError(
                f"rank {names[rank]} cannot share memory with ranks {missing}; "
                "use transport 'auto' or 'tcp'"
            )
        arenas = {r: a for r, a in arenas.items() if r in by_memory or r == rank}
        channels: dict[int, Channel] = {}
        for peer in by_memory:
            liveness.follow(peer, arenas[peer], identities[peer].pid)
            channels[peer] = MemoryChannel(
                peer, arena, arenas, liveness, transport.progress.send_meanwhile
            )
        others = [peer for peer in range(size) if peer != rank and peer not in by_memory]
        tokens = [bytes.fromhex(other.token) for other in identities]
        ends = [
            Endpoint(host=other.host, port=other.port, token=key)
            for other, key in zip(found, tokens, strict=True)
        ]
        for peer, connection in _connect(listener, ends, rank, others, liveness).items():
            near = identities[peer].kernel == identity.kernel
            channels[peer] = SocketChannel(
                peer, connection, transport.allocate, liveness, transport.progress, near=near
            )
        apart = not any(_by_memory(r, identities, reach) for r in range(size))
        transport.connect(channels, apart=apart)
        transport.hosts = _hosts(identities)
        exchange.finish()
        if_it_fails.pop_all()
    endpoints = [
        Endpoint(host=other.host, port=other.messages_port, token=key)
        for other, key in zip(found, tokens, strict=True)
    ]
    return transport, PointToPoint(rank, endpoints, messages_listener, liveness)


def _hosts(identities: Sequence[_Identity]) -> tuple[tuple[int, ...], ...]:
    """The ranks of each host, hosts in the order of their first ranks."""
    found: list[list[int]] = []
    for rank, identity in enumerate(identities):
        host = next((ranks for ranks in found if identity.shares_host(identities[ranks[0]])), None)
        if host is None:
            found.append([rank])
        else:
            host.append(rank)
    return tuple(map(tuple, found))


class _StoreExchange:
    """Exchange of short values between all ranks through the store, deleted at the end.

    A rank that fails announces that in place of the values that it has not set yet.
    """

    def __init__(self, store: Store, names: Sequence[int], rank: int, timeout: timedelta) -> None:
        self._store, self._names, self._rank, self._timeout = store, names, rank, timeout
        self._owed = {f"{topic}/{rank}" for topic in ("identity", "reach")}
        self._keys: list[str] = []
        self._next_check, self._received = 0.0, False

    def all_values(self, topic: str, value: Any) -> list[Any]:
        """Every rank's value, by rank."""
        mine = f"{topic}/{self._rank}"
        with self._reaching_the_store():
            self._store.set(mine, json.dumps(value))
        self._keys.append(mine)
        self._owed.discard(mine)
        return [self._get(f"{topic}/{r}", r) for r in range(len(self._names))]

    def finish(self) -> None:
        """Wait until every rank has read everything, then delete it.

        A later group may use the same store and prefix, and must not read these values.
        """
        size = len(self._names)
        with self._reaching_the_store():
            if self._store.add("read", 1) == size:
                self._store.set("all-read", "null")
        self._get("all-read", None)
        with contextlib.suppress(RuntimeError):  # the store's holder may have ended
            for key in self._keys:
                self._store.delete_key(key)
            if self._store.add("read", 1) == 2 * size:
                for key in ("all-read", "read"):
                    self._store.delete_key(key)

    def announce(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Announce why this rank fails, unless another rank has announced it."""
        if error is None or self._received:
            return
        text = json.dumps({"failed": str(error) or repr(error), "rank": self._rank})
        with contextlib.suppress(RuntimeError):
            for key in ("failed", "all-read", *self._owed):
                self._store.set(key, text)

    def check(self) -> None:
        """Raise :class:`PeerError` if a rank has announced a failure; asks at intervals."""
        if time.monotonic() > self._next_check:
            self._next_check = time.monotonic() + _CHECK_S
            with self._reaching_the_store():
                failed = self._store.check(["failed"])
            if failed:
                self._get("failed", None)

    def _get(self, key: str, rank: int | None) -> Any:
        seconds, started = self._timeout.total_seconds(), time.monotonic()
        with self._reaching_the_store():
            try:
                self._store.wait([key], self._timeout)
            except RuntimeError as error:
                if time.monotonic() - started < seconds:
                    raise
                who = "some rank" if rank is None else f"rank {self._names[rank]}"
                raise PeerError(
                    f"{who} let the timeout of {seconds:.3g} s pass before joining the group"
                ) from error
            value = json.loads(self._store.get(key))
        if isinstance(value, dict) and "failed" in value:
            finder = self._names[value["rank"]]
            self._received = True
            raise PeerError(f"{value['failed']} (as rank {finder} found)")
        return value

    @contextlib.contextmanager
    def _reaching_the_store(self) -> Iterator[None]:
        try:
            yield
        except PeerError:
            raise
        except RuntimeError as error:  # DistStoreError and DistNetworkError among them
            raise PeerError(
                "the store through which the ranks meet is gone: the process that holds it, "
                f"usually rank 0's, has ended or cannot be reached ({str(error).splitlines()[0]})"
            ) from error


def _check_settings(identities: Sequence[_Identity], names: Sequence[int]) -> None:
    for name, identity in zip(names, identities, strict=True):
        if identity.settings != identities[0].settings:
            raise InputError(
                f"rank {name} uses {identity.settings}, rank {names[0]} {identities[0].settings}; "
                "give all ranks of a group the same options"
            )


def _map(identities: Sequence[_Identity], mine: Arena) -> dict[int, Arena]:
    """Arenas that this rank can map, its own among them."""
    arenas = {mine.owner: mine}
    own = identities[mine.owner]
    for rank, identity in enumerate(identities):
        if rank == mine.owner or not identity.shares_host(own):
            continue
        if own.descriptor is None or identity.descriptor is None:
            continue
        token = bytes.fromhex(identity.token)
        arena = Arena.open(identity.pid, identity.descriptor, rank, mine.ranks, token)
        if arena is not None:
            arenas[rank] = arena
    return arenas


def _by_memory(
    rank: int, identities: Sequence[_Identity], reach: Sequence[Sequence[int]]
) -> set[int]:
    """Ranks to reach by shared memory: those on this host, if there all map all.

    A message stays in its arena while it passes from rank to rank, so all must map all.
    """
    here = {r for r, identity in enumerate(identities) if identity.shares_host(identities[rank])}
    return here - {rank} if all(here <= set(reach[r]) for r in here) else set()


def _host_of(store: Store) -> str | None:
    """The host of a TCP store; None for other stores."""
    while isinstance(store, PrefixStore):
        store = store.underlying_store
    return store.host if isinstance(store, TCPStore) else None


def _kernel() -> str:
    """Identifier of the running kernel."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return socket.gethostname()


def _network() -> str:
    """Identifier of the network namespace."""
    with contextlib.suppress(OSError):
        return str(Path("/proc/self/ns/net").stat().st_ino)
    return ""


def _connect(
    listener: socket.socket, ends: Sequence[Endpoint], rank: int, others: Sequence[int],
    liveness: Liveness,
) -> Mapping[int, socket.socket]:  # fmt: skip
    """Connections to ``others``: the higher rank connects, the lower accepts."""
    connections: dict[int, socket.socket] = {}
    for peer in others:
        if peer < rank:
            end = ends[peer]
            try:
                connections[peer] = dial(
                    end, hello(end, rank), functools.partial(liveness.check, peer)
                )
            except OSError as error:
                raise liveness.error(
                    f"rank {liveness.names[rank]} cannot reach rank {liveness.names[peer]} at "
                    f"{end.host} ({error}); set QRING_HOST there to an address that can be reached,"
                ) from None
    listener.settimeout(SLICE_S)
    expected = {peer for peer in others if peer > rank}
    while expected:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            liveness.check(min(expected))
            continue
        connection.settimeout(5)
        first = b""
        with contextlib.suppress(OSError):
            first = connection.recv(HELLO_BYTES, socket.MSG_WAITALL)
        peer = int.from_bytes(first[16:], "little")
        if first == hello(ends[rank], peer) and peer in expected:
            connections[peer] = connection
            expected.remove(peer)
        else:
            connection.close()
    return connections

"""How the ranks of a new group find each other through the store, and which wires they lay."""

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
from qring.torch.transport.endpoints import (
    HELLO_BYTES,
    LOOPBACK,
    Endpoint,
    dial,
    hello,
    listen,
    own_address,
)
from qring.torch.transport.mail import Mail
from qring.torch.transport.mailbox import Mailbox
from qring.torch.transport.sockets import SocketWire
from qring.torch.transport.watch import SLICE_S, Watch
from qring.torch.transport.wires import MemoryWire, Wire

__all__ = ["meet"]


_LOOK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """What a rank tells the others about itself first."""

    pid: int
    descriptor: int | None
    token: str
    kernel: str
    network: str
    settings: str

    def shares_host(self, other: _Card) -> bool:
        """Whether the two are on one host, as far as anybody outside can tell."""
        return (self.kernel, self.network) == (other.kernel, other.network)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """What a rank tells the others when it knows who they are: whose memory it sees, and ports."""

    arenas: list[int]
    host: str
    port: int
    mail_port: int


def meet(
    store: Store, names: Sequence[int], rank: int, options: Options, timeout: timedelta
) -> tuple[Mailbox, Mail]:
    """Return this rank's mailbox, connected to all other ranks of the group, and its mail.

    ``names`` are the global ranks, by rank in the group.

    Raises:
        PeerError: a rank did not come within ``timeout`` or failed, or the store is gone.
        InputError: ranks disagree about the options, or memory was asked for and cannot be had.
    """
    size = len(names)
    token = secrets.token_bytes(16)
    arena, descriptor = Arena.create(rank, size, token)
    watch = Watch(arena, names)
    watch.begin("set-up", timeout.total_seconds())
    mailbox = Mailbox(arena, size, watch)
    notices = _Notices(store, names, rank, timeout)
    watch.glance = notices.look
    with contextlib.ExitStack() as if_it_fails, contextlib.ExitStack() as anyway:
        if descriptor is not None:
            anyway.callback(os.close, descriptor)  # by then, whoever can map the memory has
        if_it_fails.callback(mailbox.close)
        if_it_fails.push(notices.tell)
        card = _Card(
            pid=os.getpid(),
            descriptor=descriptor if options.transport != "tcp" else None,
            token=token.hex(),
            kernel=_kernel(),
            network=_network(),
            settings=options.settings,
        )
        cards = [_Card(**fields) for fields in notices.exchange("card", asdict(card))]
        _check_settings(cards, names)
        arenas = _map(cards, arena)
        on_one_host = all(other.shares_host(card) for other in cards)
        host = options.host or (LOOPBACK if on_one_host else own_address(_host_of(store)))
        listener = anyway.enter_context(listen(host))
        letterbox = if_it_fails.enter_context(listen(host))
        own = _Reach(
            arenas=sorted(arenas),
            host=listener.getsockname()[0],
            port=listener.getsockname()[1],
            mail_port=letterbox.getsockname()[1],
        )
        found = [_Reach(**fields) for fields in notices.exchange("reach", asdict(own))]
        reach = [other.arenas for other in found]
        by_memory = _by_memory(rank, cards, reach)
        if options.transport == "memory" and len(by_memory) < size - 1:
            missing = [names[r] for r in range(size) if r != rank and r not in by_memory]
            raise InputError(
                f"rank {names[rank]} cannot share memory with ranks {missing}; "
                "use transport 'auto' or 'tcp'"
            )
        arenas = {r: a for r, a in arenas.items() if r in by_memory or r == rank}
        wires: dict[int, Wire] = {}
        for peer in by_memory:
            watch.follow(peer, arenas[peer], cards[peer].pid)
            wires[peer] = MemoryWire(peer, arena, arenas, watch, mailbox.pump.send_meanwhile)
        others = [peer for peer in range(size) if peer != rank and peer not in by_memory]
        tokens = [bytes.fromhex(other.token) for other in cards]
        ends = [
            Endpoint(host=other.host, port=other.port, token=key)
            for other, key in zip(found, tokens, strict=True)
        ]
        for peer, connection in _connect(listener, ends, rank, others, watch).items():
            near = cards[peer].kernel == card.kernel
            wires[peer] = SocketWire(
                peer, connection, mailbox.compose, watch, mailbox.pump, near=near
            )
        apart = not any(_by_memory(r, cards, reach) for r in range(size))
        mailbox.connect(wires, apart=apart)
        mailbox.hosts = _hosts(cards)
        notices.finish()
        if_it_fails.pop_all()
    letterboxes = [
        Endpoint(host=other.host, port=other.mail_port, token=key)
        for other, key in zip(found, tokens, strict=True)
    ]
    return mailbox, Mail(rank, letterboxes, letterbox, watch)


def _hosts(cards: Sequence[_Card]) -> tuple[tuple[int, ...], ...]:
    """The ranks of each host, hosts in the order of their first ranks."""
    found: list[list[int]] = []
    for rank, card in enumerate(cards):
        host = next((ranks for ranks in found if card.shares_host(cards[ranks[0]])), None)
        if host is None:
            found.append([rank])
        else:
            host.append(rank)
    return tuple(map(tuple, found))


class _Notices:
    """Exchange of short values between all ranks through the store, swept up at the end.

    A rank that fails says so in place of the values that it still owes.
    """

    def __init__(self, store: Store, names: Sequence[int], rank: int, timeout: timedelta) -> None:
        self._store, self._names, self._rank, self._timeout = store, names, rank, timeout
        self._owed = {f"{topic}/{rank}" for topic in ("card", "reach")}
        self._keys: list[str] = []
        self._next_look, self._heard = 0.0, False

    def exchange(self, topic: str, value: Any) -> list[Any]:
        """Every rank's value, by rank."""
        mine = f"{topic}/{self._rank}"
        with self._reaching_the_store():
            self._store.set(mine, json.dumps(value))
        self._keys.append(mine)
        self._owed.discard(mine)
        return [self._get(f"{topic}/{r}", r) for r in range(len(self._names))]

    def finish(self) -> None:
        """Wait until every rank has read everything, then forget it.

        A later group may use the same store and prefix; what it reads must not be ours.
        """
        size = len(self._names)
        with self._reaching_the_store():
            if self._store.add("read", 1) == size:
                self._store.set("all-read", "null")
        self._get("all-read", None)
        with contextlib.suppress(RuntimeError):  # whoever has the store may have gone on, and ended
            for key in self._keys:
                self._store.delete_key(key)
            if self._store.add("read", 1) == 2 * size:
                for key in ("all-read", "read"):
                    self._store.delete_key(key)

    def tell(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Let the others know why this rank fails, unless it has that from one of them."""
        if error is None or self._heard:
            return
        text = json.dumps({"failed": str(error) or repr(error), "rank": self._rank})
        with contextlib.suppress(RuntimeError):
            for key in ("failed", "all-read", *self._owed):
                self._store.set(key, text)

    def look(self) -> None:
        """Raise :class:`PeerError` if a rank has said that it failed; looks now and then only."""
        if time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + _LOOK_S
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
            self._heard = True
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


def _check_settings(cards: Sequence[_Card], names: Sequence[int]) -> None:
    for name, card in zip(names, cards, strict=True):
        if card.settings != cards[0].settings:
            raise InputError(
                f"rank {name} uses {card.settings}, rank {names[0]} {cards[0].settings}; "
                "give all ranks of a group the same options"
            )


def _map(cards: Sequence[_Card], mine: Arena) -> dict[int, Arena]:
    """Arenas that this rank can reach, its own among them."""
    arenas = {mine.owner: mine}
    own = cards[mine.owner]
    for rank, card in enumerate(cards):
        if rank == mine.owner or not card.shares_host(own):
            continue
        if own.descriptor is None or card.descriptor is None:
            continue
        token = bytes.fromhex(card.token)
        arena = Arena.open(card.pid, card.descriptor, rank, mine.ranks, token)
        if arena is not None:
            arenas[rank] = arena
    return arenas


def _by_memory(rank: int, cards: Sequence[_Card], reach: Sequence[Sequence[int]]) -> set[int]:
    """Ranks to reach by memory: those on this host, if there everybody reaches everybody.

    Parcels stay in the arena they were composed in while they pass from rank to rank, so a
    part of a host will not do.
    """
    here = {r for r, card in enumerate(cards) if card.shares_host(cards[rank])}
    return here - {rank} if all(here <= set(reach[r]) for r in here) else set()


def _host_of(store: Store) -> str | None:
    """The host that holds the store, if it is one that is reached by TCP."""
    while isinstance(store, PrefixStore):
        store = store.underlying_store
    return store.host if isinstance(store, TCPStore) else None


def _kernel() -> str:
    """A name that two ranks share when one kernel runs both."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return socket.gethostname()


def _network() -> str:
    """A name that two ranks of one kernel share when they see the same network."""
    with contextlib.suppress(OSError):
        return str(Path("/proc/self/ns/net").stat().st_ino)
    return ""


def _connect(
    listener: socket.socket, ends: Sequence[Endpoint], rank: int, others: Sequence[int],
    watch: Watch,
) -> Mapping[int, socket.socket]:  # fmt: skip
    """One connection to each of ``others``: the higher rank calls, the lower answers."""
    lines: dict[int, socket.socket] = {}
    for peer in others:
        if peer < rank:
            end = ends[peer]
            try:
                lines[peer] = dial(end, hello(end, rank), functools.partial(watch.look, peer))
            except OSError as error:
                raise watch.error(
                    f"rank {watch.names[rank]} cannot reach rank {watch.names[peer]} at "
                    f"{end.host} ({error}); set QRING_HOST there to an address that can be reached,"
                ) from None
    listener.settimeout(SLICE_S)
    expected = {peer for peer in others if peer > rank}
    while expected:
        try:
            line, _ = listener.accept()
        except TimeoutError:
            watch.look(min(expected))
            continue
        line.settimeout(5)
        first = b""
        with contextlib.suppress(OSError):
            first = line.recv(HELLO_BYTES, socket.MSG_WAITALL)
        peer = int.from_bytes(first[16:], "little")
        if first == hello(ends[rank], peer) and peer in expected:
            lines[peer] = line
            expected.remove(peer)
        else:
            line.close()
    return lines

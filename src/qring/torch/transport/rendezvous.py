"""How the ranks of a new group find each other through the store, and which wires they lay."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch.distributed import Store

from qring.errors import InputError, PeerError
from qring.torch.options import Options
from qring.torch.transport.arena import Arena
from qring.torch.transport.mail import HELLO_BYTES, Address, Mail
from qring.torch.transport.mailbox import Mailbox
from qring.torch.transport.sockets import SocketWire
from qring.torch.transport.watch import SLICE_S, Watch
from qring.torch.transport.wires import MemoryWire, Wire

__all__ = ["meet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """What a rank tells the others about itself."""

    pid: int
    descriptor: int | None
    token: str
    kernel: str
    network: str
    host: str
    port: int
    mail_port: int
    settings: str

    def shares_host(self, other: _Card) -> bool:
        """Whether the two are on one host, as far as anybody outside can tell."""
        return (self.kernel, self.network) == (other.kernel, other.network)


def meet(
    store: Store, names: Sequence[int], rank: int, options: Options, timeout: timedelta
) -> tuple[Mailbox, Mail]:
    """Return this rank's mailbox, connected to all other ranks of the group, and its mail.

    ``names`` are the global ranks, by rank in the group.

    Raises:
        PeerError: a rank did not come within ``timeout``.
        InputError: ranks disagree about the options, or memory was asked for and cannot be had.
    """
    size = len(names)
    token = secrets.token_bytes(16)
    arena, descriptor = Arena.create(rank, size, token)
    watch = Watch(arena, names)
    watch.begin("set-up", timeout.total_seconds())
    mailbox = Mailbox(arena, descriptor, size, watch)
    listener, letterbox = _listen(options.host), _listen(options.host)
    try:
        card = _Card(
            pid=os.getpid(),
            descriptor=descriptor if options.transport != "tcp" else None,
            token=token.hex(),
            kernel=_kernel(),
            network=_network(),
            host=listener.getsockname()[0],
            port=listener.getsockname()[1],
            mail_port=letterbox.getsockname()[1],
            settings=options.settings,
        )
        notices = _Notices(store, names, rank, timeout)
        cards = [_Card(**fields) for fields in notices.exchange("card", asdict(card))]
        _check_settings(cards, names)
        arenas = _map(cards, arena)
        reach = notices.exchange("reach", sorted(arenas))
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
        strangers = [peer for peer in range(size) if peer != rank and peer not in by_memory]
        for peer, connection in _dial(listener, cards, rank, strangers, watch).items():
            near = cards[peer].kernel == card.kernel
            wires[peer] = SocketWire(
                peer, connection, mailbox.compose, watch, mailbox.pump, near=near
            )
        apart = not any(_by_memory(r, cards, reach) for r in range(size))
        mailbox.connect(wires, apart=apart)
        notices.finish()
    except BaseException:
        letterbox.close()
        mailbox.close()
        raise
    finally:
        listener.close()
    addresses = [
        Address(host=card.host, port=card.mail_port, token=bytes.fromhex(card.token))
        for card in cards
    ]
    return mailbox, Mail(rank, addresses, letterbox, watch)


class _Notices:
    """Exchange of short values between all ranks through the store, swept up at the end."""

    def __init__(self, store: Store, names: Sequence[int], rank: int, timeout: timedelta) -> None:
        self._store, self._names, self._rank, self._timeout = store, names, rank, timeout
        self._keys: list[str] = []

    def exchange(self, topic: str, value: Any) -> list[Any]:
        """Every rank's value, by rank."""
        mine = f"{topic}/{self._rank}"
        self._store.set(mine, json.dumps(value))
        self._keys.append(mine)
        return [json.loads(self._get(f"{topic}/{r}", r)) for r in range(len(self._names))]

    def finish(self) -> None:
        """Wait until every rank has read everything, then forget it.

        A later group may use the same store and prefix; what it reads must not be ours.
        """
        size = len(self._names)
        if self._store.add("read", 1) == size:
            self._store.set("all-read", "")
        self._get("all-read", None)
        for key in self._keys:
            with contextlib.suppress(RuntimeError):
                self._store.delete_key(key)
        if self._store.add("read", 1) == 2 * size:
            for key in ("all-read", "read"):
                with contextlib.suppress(RuntimeError):
                    self._store.delete_key(key)

    def _get(self, key: str, rank: int | None) -> bytes:
        try:
            self._store.wait([key], self._timeout)
            return bytes(self._store.get(key))
        except RuntimeError:  # DistStoreError and DistNetworkError among them
            who = "some rank" if rank is None else f"rank {self._names[rank]}"
            seconds = self._timeout.total_seconds()
            raise PeerError(
                f"{who} let the timeout of {seconds:.3g} s pass before joining the group"
            ) from None


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


def _listen(host: str | None) -> socket.socket:
    address = host or _own_address()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.bind((address, 0))
    except OSError as error:
        listener.close()
        raise InputError(f"cannot listen on {address} ({error}); set QRING_HOST") from None
    listener.listen(1024)
    return listener


def _own_address() -> str:
    """The address by which other hosts reach this one: the one that faces the master."""
    master = os.environ.get("MASTER_ADDR", "127.0.0.1")
    for target in (master, None if master in ("localhost", "127.0.0.1", "::1") else "192.0.2.1"):
        if target is None:
            break
        with contextlib.suppress(OSError):
            family, *_, address = socket.getaddrinfo(target, 9, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(address)
                own: str = probe.getsockname()[0]
            if target == master and own.startswith("127.") and master != own:
                continue  # a name that leads back here by the loopback helps nobody else
            return own
    return "127.0.0.1"


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


def _dial(
    listener: socket.socket,
    cards: Sequence[_Card],
    rank: int,
    strangers: Sequence[int],
    watch: Watch,
) -> Mapping[int, socket.socket]:
    """One connection to every stranger: the higher rank calls, the lower answers."""
    lines: dict[int, socket.socket] = {}
    for peer in strangers:
        if peer < rank:
            try:
                line = socket.create_connection((cards[peer].host, cards[peer].port), timeout=60)
            except OSError as error:
                raise watch.error(
                    f"cannot reach rank {watch.names[peer]} at {cards[peer].host} ({error})"
                ) from None
            line.sendall(bytes.fromhex(cards[peer].token) + rank.to_bytes(4, "little"))
            lines[peer] = line
    listener.settimeout(SLICE_S)
    expected = {peer for peer in strangers if peer > rank}
    token = bytes.fromhex(cards[rank].token)
    while expected:
        try:
            line, _ = listener.accept()
        except TimeoutError:
            watch.look(min(expected))
            continue
        line.settimeout(5)
        hello = b""
        with contextlib.suppress(OSError):
            hello = line.recv(HELLO_BYTES, socket.MSG_WAITALL)
        peer = int.from_bytes(hello[16:], "little")
        if len(hello) == HELLO_BYTES and hello[:16] == token and peer in expected:
            lines[peer] = line
            expected.remove(peer)
        else:
            line.close()
    return lines

"""Schedules as Chakra execution traces, which ASTRA-sim takes as custom collectives.

One file a rank, of messages in the encoding of Protocol Buffers, each after its length: a
GlobalMetadata, then one Node for each send, receive and addition. Sizes are int64, since unsigned
ones are not read everywhere. Source: et_def.proto of mlcommons/chakra; Collective API of ASTRA-sim.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from qring.errors import InputError
from qring.schedule.chunks import even_chunks
from qring.schedule.hops import Action, Hop
from qring.schedule.schedule import Schedule

__all__ = ["Node", "chakra_traces", "read_chakra"]

_VERSION = "0.0.4"
_COMP, _SEND, _RECV = 4, 5, 6
_NAMES = {_COMP: "COMP", _SEND: "SEND", _RECV: "RECV"}
_INT32, _INT64, _BOOL, _STRING = 7, 9, 27, 29


class Node(NamedTuple):
    """One node of a trace: number, name, type, the nodes it depends on, and its attributes."""

    id: int
    name: str
    type: int
    depends: tuple[int, ...]
    attributes: Mapping[str, int | str]


def chakra_traces(schedule: Schedule, coords: int, word_bytes: int) -> list[bytes]:
    """The traces of all nodes, for ``coords`` words of ``word_bytes`` bytes; file r is rank r's.

    A node depends on those that wrote what it reads, and on those that must have read or written
    what it overwrites.

    Raises:
        InputError: sizes below 1.
    """
    if coords < 1 or word_bytes < 1:
        raise InputError(f"a trace needs at least 1 word of 1 byte, not {coords} of {word_bytes}")
    lengths = [part.stop - part.start for part in even_chunks(coords, schedule.chunks)]
    ranks = [_Rank(rank) for rank in range(schedule.nodes)]
    tags: dict[tuple[int, int], int] = {}
    for hops in schedule.rounds:
        sent = []
        for hop in hops:
            tag = tags[hop.src, hop.dst] = tags.get((hop.src, hop.dst), -1) + 1
            nbytes = word_bytes * sum(lengths[chunk] for chunk in hop.chunks)
            sent.append((hop, tag, nbytes))
        for hop, tag, nbytes in sent:
            if hop.src != hop.dst:
                ranks[hop.src].send(hop, tag, nbytes)
        for hop, tag, nbytes in sent:
            ranks[hop.dst].receive(hop, tag, nbytes)
    return [_trace(schedule, rank) for rank in ranks]


def read_chakra(data: bytes) -> list[Node]:
    """The nodes of a trace, for tests of what was written.

    Raises:
        InputError: not such a trace.
    """
    try:
        messages = list(_delimited(data))
        return [_node(message) for message in messages[1:]]
    except (IndexError, KeyError, ValueError, UnicodeDecodeError):
        raise InputError("not a Chakra trace, or one that is cut off") from None


@dataclass(slots=True)
class _Use:
    written: int | None = None
    read: list[int] = field(default_factory=list)


class _Rank:
    """The nodes of one rank, and who used its slots last."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        self.nodes: list[Node] = []
        self._uses: dict[int, _Use] = {}

    def send(self, hop: Hop, tag: int, nbytes: int) -> None:
        """Add the node that sends a message."""
        number = self._add(_SEND, self._writers(hop.source), {
            "comm_dst": hop.dst, "comm_tag": tag, "comm_size": nbytes, "comm_src": hop.src,
        })  # fmt: skip
        for slot in hop.source:
            self._use(slot).read.append(number)

    def receive(self, hop: Hop, tag: int, nbytes: int) -> None:
        """Add the node that receives a message, and the one that adds it."""
        number = None
        if hop.src != hop.dst:
            after = self._writers(hop.target) | self._readers(hop.target)
            number = self._add(_RECV, after, {
                "comm_src": hop.src, "comm_tag": tag, "comm_size": nbytes, "comm_dst": hop.dst,
            })  # fmt: skip
        if number is None or hop.action is Action.ADD:
            after = self._writers(hop.target) | self._readers(hop.target)
            after |= self._writers(hop.source) if number is None else {number}
            number = self._add(_COMP, after, {"num_ops": nbytes, "tensor_size": nbytes})
        for slot in hop.target:
            self._uses[slot] = _Use(written=number)

    def _add(self, kind: int, after: Iterable[int], attributes: dict[str, int | str]) -> int:
        number = len(self.nodes)
        name = f"{_NAMES[kind]}_{number}"
        self.nodes.append(Node(number, name, kind, tuple(sorted(after)), attributes))
        return number

    def _use(self, slot: int) -> _Use:
        return self._uses.setdefault(slot, _Use())

    def _writers(self, slots: Iterable[int]) -> set[int]:
        return {w for slot in slots if (w := self._use(slot).written) is not None}

    def _readers(self, slots: Iterable[int]) -> set[int]:
        return {reader for slot in slots for reader in self._use(slot).read}


def _trace(schedule: Schedule, rank: _Rank) -> bytes:
    metadata = _text(1, _VERSION) + _message(2, _attribute("schema", f"qring {schedule.name}"))
    parts = [_varint(len(metadata)) + metadata]
    for node in rank.nodes:
        encoded = b"".join(
            (
                _number(1, node.id),
                _text(2, node.name),
                _number(3, node.type),
                _packed(5, node.depends),
                _message(10, _attribute("is_cpu_op", False)),
                *(_message(10, _attribute(key, node.attributes[key])) for key in node.attributes),
            )
        )
        parts.append(_varint(len(encoded)) + encoded)
    return b"".join(parts)


def _attribute(name: str, value: int | str | bool) -> bytes:
    if isinstance(value, str):
        return _text(1, name) + _text(_STRING, value)
    if isinstance(value, bool):
        return _text(1, name) + _varint(_BOOL << 3) + _varint(int(value))
    small = name in ("comm_src", "comm_dst", "comm_tag")
    return _text(1, name) + _varint((_INT32 if small else _INT64) << 3) + _varint(value)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes((*found, value))


def _number(field_: int, value: int) -> bytes:
    return _varint(field_ << 3) + _varint(value) if value else b""


def _message(field_: int, content: bytes) -> bytes:
    return _varint(field_ << 3 | 2) + _varint(len(content)) + content


def _text(field_: int, value: str) -> bytes:
    return _message(field_, value.encode())


def _packed(field_: int, values: Iterable[int]) -> bytes:
    content = b"".join(map(_varint, values))
    return _message(field_, content) if content else b""


def _delimited(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length, at = _read_varint(data, at)
        if at + length > len(data):
            raise ValueError
        yield data[at : at + length]
        at += length


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        if key & 7 == 0:
            value, at = _read_varint(data, at)
            yield key >> 3, value
        elif key & 7 == 2:
            length, at = _read_varint(data, at)
            yield key >> 3, data[at : at + length]
            at += length
        else:
            raise ValueError


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _node(data: bytes) -> Node:
    number, name, kind, attributes = 0, "", 0, {}
    depends: list[int] = []
    for field_, value in _fields(data):
        if isinstance(value, int):
            number, kind = (value, kind) if field_ == 1 else (number, value)
        elif field_ == 2:
            name = value.decode()
        elif field_ == 5:
            at = 0
            while at < len(value):
                one, at = _read_varint(value, at)
                depends.append(one)
        elif field_ == 10:
            key, found = "", 0
            for inner, part in _fields(value):
                if isinstance(part, int):
                    found = part
                elif inner == 1:
                    key = part.decode()
            attributes[key] = found
    return Node(number, name, kind, tuple(depends), attributes)

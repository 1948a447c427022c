"""Algorithm files of MSCCL: XML with one program of steps a thread block.

A file's buffers become slots. Input and output of the same chunk are one place, except in an
all-reduce that is not in place, whose output is scratch until the end. Source: the format of
msccl-tools and of the interpreter in microsoft/msccl.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from qring.errors import InputError, MissingExtraError
from qring.schedule.schedule import Collective

__all__ = ["Algorithm", "Block", "Instruction", "parse"]

_COLLECTIVES = {
    "allreduce": Collective.ALL_REDUCE,
    "allgather": Collective.ALL_GATHER,
    "reduce_scatter": Collective.REDUCE_SCATTER,
    "reducescatter": Collective.REDUCE_SCATTER,
    "broadcast": Collective.BROADCAST,
    "alltoall": Collective.ALL_TO_ALL,
}
_TYPES = ("s", "r", "rrc", "rrs", "rrcs", "rcs", "cpy", "re", "nop")
_LONGEST = 64 << 20


class Instruction(NamedTuple):
    """One step: its type, where it reads and writes (buffer and offset), and what it waits for.

    ``after`` is the (thread block, step) that must be done before, on the same GPU.
    """

    type: str
    source: tuple[str, int]
    target: tuple[str, int]
    span: int
    after: tuple[int, int] | None


class Block(NamedTuple):
    """A thread block: whom it sends to and receives from (−1: nobody), its channel, its steps."""

    send: int
    recv: int
    channel: int
    steps: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """A parsed file. ``blocks[g]`` are the thread blocks of GPU g by number.

    ``chunks`` is the number of chunks of one GPU's input, ``scratch`` of its scratch.
    """

    name: str
    collective: Collective
    in_place: bool
    gpus: int
    chunks: int
    scratch: int
    blocks: tuple[Mapping[int, Block], ...]


class _Element(Protocol):
    """Attributes used of an element of XML."""

    tag: str
    attrib: Mapping[str, str]

    def __iter__(self) -> Iterator[_Element]: ...


def parse(text: bytes) -> Algorithm:
    """Read a file's content.

    Raises:
        InputError: not XML, XML with a document type or entities, or not an algorithm.
        MissingExtraError: defusedxml is not installed.
    """
    root = _xml(text)
    if root.tag != "algo":
        raise InputError(f"an MSCCL file holds one <algo>, not <{root.tag[:40]}>")
    kind = root.attrib.get("coll", "")
    if kind not in _COLLECTIVES:
        raise InputError(
            f"the algorithm is for coll={kind[:40]!r}; known are {', '.join(_COLLECTIVES)}"
        )
    gpus: dict[int, Mapping[int, Block]] = {}
    inputs, scratch = set(), 0
    for gpu in root:
        where = f"<gpu id={gpu.attrib.get('id', '?')[:20]}>"
        if gpu.tag != "gpu":
            raise InputError(f"<algo> holds <gpu>, not <{gpu.tag[:40]}>")
        number = _number(gpu, "id", where)
        if number in gpus:
            raise InputError(f"{where} stands there twice")
        gpus[number] = _blocks(gpu, where)
        inputs.add(_number(gpu, "i_chunks", where))
        scratch = max(scratch, _number(gpu, "s_chunks", where, default=0))
    if not gpus or sorted(gpus) != list(range(len(gpus))):
        raise InputError(f"GPUs must be numbered 0..n−1; these are {sorted(gpus)[:10]}")
    declared = _number(root, "ngpus", "<algo>", default=len(gpus))
    if declared != len(gpus):
        raise InputError(f"ngpus={declared}, but {len(gpus)} <gpu> follow")
    chunks = _input_chunks(_COLLECTIVES[kind], inputs, root, len(gpus))
    return Algorithm(
        name=root.attrib.get("name", "unnamed")[:100],
        collective=_COLLECTIVES[kind],
        in_place=root.attrib.get("inplace", "0") == "1",
        gpus=len(gpus),
        chunks=chunks,
        scratch=scratch,
        blocks=tuple(gpus[number] for number in range(len(gpus))),
    )


def _input_chunks(kind: Collective, inputs: set[int], root: _Element, gpus: int) -> int:
    """Chunks of one GPU's input. An in-place file may give 0 where the output holds it."""
    loop = _number(root, "nchunksperloop", "<algo>")
    found = inputs - {0}
    if len(found) > 1 and kind is not Collective.BROADCAST:
        raise InputError(f"all GPUs need the same i_chunks; these are {sorted(inputs)[:10]}")
    whole = kind is not Collective.ALL_GATHER
    chunks = max(found) if found else loop if whole else loop // gpus
    if chunks < 1 or chunks * gpus > 1 << 22:
        raise InputError(f"{chunks} chunks a GPU on {gpus} GPUs are out of range")
    if kind in (Collective.REDUCE_SCATTER, Collective.ALL_TO_ALL) and chunks % gpus:
        raise InputError(f"i_chunks={chunks} cannot be shared among {gpus} GPUs")
    return chunks


def _xml(text: bytes) -> _Element:
    if len(text) > _LONGEST:
        raise InputError(f"the file has {len(text):,} bytes; at most {_LONGEST:,} are read")
    try:
        from defusedxml import DefusedXmlException
        from defusedxml.ElementTree import ParseError, fromstring
    except ImportError:
        raise MissingExtraError("reading MSCCL XML", "formats") from None
    try:
        found: _Element = fromstring(text, forbid_dtd=True)
    except DefusedXmlException:
        raise InputError(
            "the XML has a document type, entities or references; a schedule needs none: remove "
            "them"
        ) from None
    except (ParseError, ValueError, LookupError) as error:
        raise InputError(f"not XML: {str(error)[:100]}") from None
    return found


def _blocks(gpu: _Element, where: str) -> Mapping[int, Block]:
    found: dict[int, Block] = {}
    for block in gpu:
        if block.tag != "tb":
            raise InputError(f"{where} holds <tb>, not <{block.tag[:40]}>")
        number = _number(block, "id", f"{where} <tb>")
        here = f"{where} <tb id={number}>"
        if number in found:
            raise InputError(f"{here} stands there twice")
        steps: list[Instruction] = []
        for step in block:
            if step.tag != "step":
                raise InputError(f"{here} holds <step>, not <{step.tag[:40]}>")
            at = f"{here} <step s={len(steps)}>"
            if _number(step, "s", at) != len(steps):
                raise InputError(
                    f"{at}: steps are numbered 0, 1, 2, …; this says s={step.attrib['s'][:20]}"
                )
            steps.append(_instruction(step, at))
        found[number] = Block(
            _number(block, "send", here), _number(block, "recv", here),
            _number(block, "chan", here, default=0), tuple(steps),
        )  # fmt: skip
    return found


def _instruction(step: _Element, where: str) -> Instruction:
    kind = step.attrib.get("type", "")
    if kind not in _TYPES:
        raise InputError(f"{where}: type={kind[:20]!r}; known are {', '.join(_TYPES)}")
    depends = _number(step, "depid", where, default=-1)
    after = None if depends < 0 else (depends, _number(step, "deps", where))
    if kind == "nop":
        return Instruction(kind, ("i", 0), ("i", 0), 0, after)
    count = _number(step, "cnt", where)
    if count < 1:
        raise InputError(f"{where}: cnt={count}; a step moves at least 1 chunk")
    return Instruction(kind, _place(step, "src", where), _place(step, "dst", where), count, after)


def _place(step: _Element, side: str, where: str) -> tuple[str, int]:
    buffer = step.attrib.get(f"{side}buf", "")
    if buffer not in ("i", "o", "s"):
        raise InputError(f"{where}: {side}buf={buffer[:20]!r}; buffers are i, o and s")
    return buffer, max(0, _number(step, f"{side}off", where))


def _number(element: _Element, name: str, where: str, default: int | None = None) -> int:
    text = element.attrib.get(name)
    if text is None and default is not None:
        return default
    try:
        if text is None or len(text) > 12:
            raise ValueError
        return int(text)
    except ValueError:
        found = "is missing" if text is None else f"is {text[:20]!r}"
        raise InputError(f"{where}: {name} {found}; give a whole number") from None

"""Gradients in files: .npy arrays, .safetensors and .pt state dicts. Nothing is unpickled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring import atomic
from qring.data.npy_files import read_npy, write_npy
from qring.data.safetensors_files import RESERVED, read_safetensors, write_safetensors
from qring.data.torch_files import read_pt, write_pt
from qring.errors import InputError

__all__ = [
    "IntegerTensors",
    "Layout",
    "check_target",
    "read_gradient",
    "read_workers",
    "write_gradient",
]

Array = NDArray[Any]

_READERS = {".npy": lambda path: {"": read_npy(path)}, ".safetensors": read_safetensors,
            ".pt": read_pt}  # fmt: skip
_BARE = "gradient"


class IntegerTensors(str, Enum):
    """Treatment of integer tensors that lie among floats, such as BatchNorm's counters.

    ``LEAVE_OUT``: the floats alone are a gradient. ``AS_FLOATS``: they are turned into the floats'
    type, which must hold them exactly.
    """

    LEAVE_OUT = "leave-out"
    AS_FLOATS = "as-floats"


@dataclass(frozen=True, slots=True)
class Layout:
    """Names and shapes of the tensors that one flat vector of coordinates is made of.

    A bare array has a single tensor, named "". ``left_out`` names integer tensors of the file
    that are not among the coordinates.
    """

    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    left_out: tuple[str, ...] = ()

    def split(self, vector: Array) -> dict[str, Array]:
        """Cut a flat vector into its tensors."""
        sizes = [int(np.prod(shape, dtype=np.int64)) for _, shape in self.shapes]
        parts = np.split(vector, np.cumsum(sizes)[:-1])
        return {
            name: part.reshape(shape)
            for (name, shape), part in zip(self.shapes, parts, strict=True)
        }

    def notice(self) -> str:
        """Notice of tensors left out and how to include them, or an empty text."""
        if not self.left_out:
            return ""
        names = ", ".join(map(repr, self.left_out[:3])) + (", …" if len(self.left_out) > 3 else "")
        return (
            f"left out {len(self.left_out)} integer tensors among the floats: {names}; "
            f"allreduce --integers {IntegerTensors.AS_FLOATS.value} takes them in"
        )


def read_workers(
    paths: Iterable[Path], *, integers: IntegerTensors = IntegerTensors.LEAVE_OUT
) -> tuple[Array, Layout]:
    """Read one file a worker into an array of shape (workers, coords).

    Raises:
        InputError: no files, or workers whose tensors differ in name, shape or type.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise InputError("no gradient files given; name one file a worker")
    first, layout = read_gradient(files[0], integers=integers)
    rows = [first]
    for path in files[1:]:
        vector, other = read_gradient(path, integers=integers)
        if other != layout:
            raise InputError(
                f"{path} and {files[0]} do not match: {_difference(other, layout)}; "
                "all workers need the same tensors"
            )
        if vector.dtype != first.dtype:
            raise InputError(
                f"{path} holds {vector.dtype.name}, {files[0]} holds {first.dtype.name}; "
                "all workers need the same type"
            )
        rows.append(vector)
    return np.stack(rows), layout


def read_gradient(
    path: Path, *, integers: IntegerTensors = IntegerTensors.LEAVE_OUT
) -> tuple[Array, Layout]:
    """Read one file as a flat vector and the layout that cuts it up again.

    Raises:
        InputError: missing, truncated, of unknown kind, without values, with values that are not
            real numbers, of several types of floats, or more than tensors.
        MissingExtraError: the file's kind needs a package that is not installed.
    """
    tensors = _READERS[_suffix(path)](path)
    if not sum(array.size for array in tensors.values()):
        shapes = ", ".join(f"{name!r} {array.shape}" for name, array in list(tensors.items())[:3])
        raise InputError(f"{path} holds no values: {shapes or 'no tensors'}")
    for name, array in tensors.items():
        if not (_is_float(array) or _is_integer(array)):
            raise InputError(
                f"{path}{f': {name!r}' if name else ''} holds {array.dtype.name}; gradients are "
                "real numbers, floats or integers"
            )
    tensors, left_out = _of_one_type(path, tensors, integers)
    layout = Layout(tuple((name, array.shape) for name, array in tensors.items()), left_out)
    return np.concatenate([array.reshape(-1) for array in tensors.values()]), layout


def write_gradient(path: Path, vector: Array, layout: Layout) -> None:
    """Write a flat vector in the kind of file that ``path`` ends with, whole or not at all.

    Raises:
        InputError: as :func:`check_target`, or the disk is full; what was there is there still.
    """
    check_target(path, layout, vector.dtype)
    tensors = layout.split(vector)
    suffix = _suffix(path)
    if suffix == ".npy":
        write_npy(path, next(iter(tensors.values())))
        return
    named = {name or _BARE: array for name, array in tensors.items()}
    (write_safetensors if suffix == ".safetensors" else write_pt)(path, named)


def check_target(path: Path, layout: Layout, kind: np.dtype[Any] | None = None) -> None:
    """Find out before any work whether :func:`write_gradient` could write there.

    ``kind`` is the type of the values, if that is known.

    Raises:
        InputError: the ending is unknown, the file cannot be made there, or that kind of file
            cannot hold the tensors, their names or their type.
    """
    suffix = _suffix(path)
    if suffix == ".npy" and len(layout.shapes) > 1:
        raise InputError(
            f"{path}: a .npy file holds one tensor, not {len(layout.shapes)}; write .safetensors "
            "or .pt"
        )
    if suffix == ".npy" and kind is not None and kind.kind not in "fiub":
        raise InputError(f"{path}: a .npy file cannot hold {kind.name}; write .safetensors or .pt")
    if suffix == ".safetensors" and RESERVED in dict(layout.shapes):
        raise InputError(
            f"{path}: the name {RESERVED} is reserved in .safetensors; write .pt, or rename it"
        )
    atomic.check_writable(path)


def _suffix(path: Path) -> str:
    if path.suffix not in _READERS:
        raise InputError(f"{path}: unknown kind of file; use {', '.join(_READERS)}")
    return path.suffix


def _is_float(array: Array) -> bool:
    return array.dtype.kind == "f" or "float" in array.dtype.name  # bfloat16 and float8 are void


def _is_integer(array: Array) -> bool:
    return array.dtype.kind in "iub"


def _of_one_type(
    path: Path, tensors: Mapping[str, Array], integers: IntegerTensors
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """The tensors that are summed, all of one type, and the names of those left out."""
    floats = {name: array for name, array in tensors.items() if _is_float(array)}
    left_out: tuple[str, ...] = ()
    summed = dict(tensors)
    if floats and len(floats) < len(tensors):
        kinds = {array.dtype for array in floats.values()}
        if integers is IntegerTensors.AS_FLOATS and len(kinds) == 1:
            (kind,) = kinds
            summed = {name: _exactly(path, name, array, kind) for name, array in tensors.items()}
        else:
            left_out = tuple(name for name in tensors if name not in floats)
            summed = floats
    types = sorted({array.dtype.name for array in summed.values()})
    if len(types) > 1:
        raise InputError(
            f"{path} mixes {', '.join(types)}; convert its tensors to one type and save it again"
        )
    return summed, left_out


def _exactly(path: Path, name: str, array: Array, kind: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        turned = array.astype(kind)
        same = bool((turned.astype(np.float64) == array.astype(np.float64)).all())
    if not same:
        raise InputError(
            f"{path}: {name!r} holds {array.dtype.name} values that {kind.name} cannot hold "
            "exactly; leave integer tensors out"
        )
    return turned


def _difference(one: Layout, other: Layout) -> str:
    a, b = dict(one.shapes), dict(other.shapes)
    names = sorted(a.keys() ^ b.keys())
    if names:
        return f"only one of them has {names[0] or 'a bare array'!r}"
    for name, shape in a.items():
        if shape != b[name]:
            label = f"{name!r} has shape" if name else "shape"
            return f"{label} {shape} against {b[name]}"
    if one.left_out != other.left_out:
        return "their integer tensors differ"
    return "their tensors come in another order"

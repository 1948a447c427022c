""".safetensors files: named tensors, also of bfloat16 and float8."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring import atomic
from qring.data.regular import one_line, size_of_file
from qring.errors import InputError, MissingExtraError

__all__ = ["RESERVED", "read_safetensors", "write_safetensors"]

RESERVED = "__metadata__"
"""The one name that no tensor may have: it is where the format keeps texts."""

_PLAIN = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8",
}  # fmt: skip
_NARROW = {
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2": "float8_e5m2",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F8_E8M0": "float8_e8m0fnu",
}


def read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """Read all tensors, sorted by name.

    Raises:
        InputError: not a whole file of that kind, or of a type that NumPy and ml_dtypes lack.
        MissingExtraError: a package that it needs is not installed.
    """
    size_of_file(path)
    try:
        from safetensors import deserialize
    except ImportError:
        raise MissingExtraError("reading .safetensors", "files") from None
    try:
        found = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except Exception as error:  # the library's own errors, Python's, the system's
        raise InputError(f"{path} is not a readable .safetensors file: {one_line(error)}") from None
    return {
        name: np.frombuffer(entry["data"], _type(path, name, entry["dtype"])).reshape(
            entry["shape"]
        )
        for name, entry in sorted(found, key=lambda entry: str(entry[0]))
    }


def write_safetensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write named tensors.

    Raises:
        InputError: the file cannot be written.
        MissingExtraError: the package safetensors is not installed.
    """
    try:
        from safetensors.numpy import save
    except ImportError:
        raise MissingExtraError("writing .safetensors", "files") from None
    atomic.write(path, save({name: np.ascontiguousarray(one) for name, one in tensors.items()}))


def _type(path: Path, name: str, kind: str) -> np.dtype[Any]:
    if kind in _PLAIN:
        return np.dtype(_PLAIN[kind])
    if kind not in _NARROW:
        raise InputError(
            f"{path}: {name!r} is of type {kind}, which cannot be read here; save it as float32, "
            "float16 or bfloat16"
        )
    try:
        import ml_dtypes
    except ImportError:
        raise MissingExtraError(f"{_NARROW[kind]} in .safetensors", "files") from None
    narrow: np.dtype[Any] = np.dtype(getattr(ml_dtypes, _NARROW[kind]))
    return narrow

""".npy files: one array, read only as far as the file really goes."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring import atomic
from qring.data.regular import one_line, size_of_file
from qring.errors import InputError

__all__ = ["read_npy", "write_npy"]

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_ARCHIVE = b"PK"


def read_npy(path: Path) -> NDArray[Any]:
    """Read one array. No memory is taken for values that the file does not have.

    Raises:
        InputError: not a whole .npy file, or one of objects.
    """
    size = size_of_file(path)
    try:
        with path.open("rb") as file:
            if file.read(len(_ARCHIVE)) == _ARCHIVE:
                raise InputError(f"{path} is an archive, not one .npy array")
            file.seek(0)
            shape, fortran, kind = _header(file, path)
            count = math.prod(shape)
            needed, found = count * kind.itemsize, size - file.tell()
            if needed > found:
                raise InputError(
                    f"{path} is not a readable .npy array: shape {shape} of {kind.name} takes "
                    f"{needed:,} bytes, but {found:,} follow: it was cut short, or its head lies"
                )
            flat = np.fromfile(file, dtype=kind, count=count)
    except OSError as error:
        raise InputError(f"{path} is not a readable .npy array: {error.strerror}") from None
    return flat.reshape(shape, order="F" if fortran else "C")


def write_npy(path: Path, array: NDArray[Any]) -> None:
    """Write one array.

    Raises:
        InputError: the file cannot be written.
    """
    head = io.BytesIO()
    whole = np.ascontiguousarray(array).reshape(array.shape)  # the former gives scalars a dimension
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(whole))
    atomic.write(path, head.getbuffer(), whole.reshape(-1).view(np.uint8).data)


def _header(file: io.BufferedReader, path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        shape, fortran, kind = _HEADERS[version](file)
    except Exception as error:  # the head is a Python literal; parsing it may end in anything
        why = "its version is unknown" if isinstance(error, KeyError) else one_line(error)
        raise InputError(f"{path} is not a readable .npy array: {why}") from None
    if any(length < 0 for length in shape):
        raise InputError(f"{path} is not a readable .npy array: its shape is {shape}")
    if kind.hasobject:
        raise InputError(f"{path} holds Python objects, and qring never runs code from a file")
    if kind.kind not in "fiub":
        raise InputError(
            f"{path} holds {kind.name}; gradients are real numbers. NumPy saves bfloat16 and "
            "float8 as void: save those as .safetensors or .pt"
        )
    return shape, fortran, kind

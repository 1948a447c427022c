""".pt files: state dicts of tensors, or one tensor. Nothing is unpickled but tensors."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring import atomic
from qring.data.regular import one_line, refuse_huge, size_of_file
from qring.errors import InputError, MissingExtraError

__all__ = ["read_pt", "write_pt"]

_FLOAT8 = (
    "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip


def read_pt(path: Path) -> dict[str, NDArray[Any]]:
    """Read a state dict, in its own order; a bare tensor is named "".

    Sparse tensors are filled up with zeros; conjugate and negative views are resolved.

    Raises:
        InputError: damaged, more than tensors, names that are none, or a tensor without plain
            values.
        MissingExtraError: torch, or a type's package, is not installed.
    """
    size = size_of_file(path)
    torch = _torch()
    state = _load(path, torch, size)
    if isinstance(state, torch.Tensor):
        return {"": _plain(path, "", state, torch, size)}
    if not isinstance(state, Mapping):
        raise InputError(
            f"{path} is not a state dict: expected names mapped to tensors, found "
            f"{type(state).__name__}"
        )
    for name, value in state.items():
        if not isinstance(name, str) or not name:
            raise InputError(
                f"{path} has the key {name!r}, but names of tensors are texts that are not empty; "
                "rename it, or two keys may become one name"
            )
        if not isinstance(value, torch.Tensor):
            raise InputError(
                f"{path} is not a state dict: {name!r} is {type(value).__name__}, not a tensor"
            )
    return {name: _plain(path, name, tensor, torch, size) for name, tensor in state.items()}


def write_pt(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write a state dict.

    Raises:
        InputError: the file cannot be written.
        MissingExtraError: torch is not installed.
    """
    torch, whole = _torch(), io.BytesIO()
    torch.save({name: _to_torch(array, torch) for name, array in tensors.items()}, whole)
    atomic.write(path, whole.getbuffer())


def _load(path: Path, torch: Any, size: int) -> Any:  # noqa: ANN401 - the module is optional
    _refuse_bomb(path, size)
    try:
        with warnings.catch_warnings():  # torch warns of odd pickles that it then refuses
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path} holds more than tensors, or is damaged; qring never runs code from a file: "
            "save a plain state dict of tensors"
        ) from None
    except Exception as error:  # a damaged file may break the reader anywhere
        raise InputError(f"{path} is not a readable .pt state dict: {one_line(error)}") from None


def _refuse_bomb(path: Path, size: int) -> None:
    """Refuse an archive that unpacks to far more than it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # the older format, or damaged, which torch will say
    refuse_huge(path, "", (), unpacked, in_file=size)


def _plain(path: Path, name: str, tensor: Any, torch: Any, size: int) -> NDArray[Any]:  # noqa: ANN401
    """Values of a tensor as an array of its shape."""
    label = f"{path}: {name!r}" if name else str(path)
    if tensor.is_nested:
        raise InputError(f"{label} is a nested tensor, of rows that differ; pad it first")
    if tensor.device.type == "meta":
        raise InputError(f"{label} lies on the meta device and has no values; load it first")
    if tensor.is_quantized:
        raise InputError(f"{label} is quantised; save it with .dequantize() first")
    refuse_huge(path, name, tensor.shape, tensor.numel() * tensor.element_size(), in_file=size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that sparse layouts are in beta
            tensor = tensor.detach()
            if tensor.layout is not torch.strided:
                tensor = _checked(tensor, torch).to_dense()
            tensor = tensor.cpu().resolve_conj().resolve_neg().contiguous()
            return _to_numpy(tensor, torch)
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{label}, {tensor.dtype}, cannot be read: {one_line(error)}") from None


def _checked(tensor: Any, torch: Any) -> Any:  # noqa: ANN401
    """A sparse tensor again, its indices checked: damaged ones would write anywhere in memory."""
    size = tensor.shape
    if tensor.layout is torch.sparse_coo:
        parts = tensor._indices(), tensor._values()
        return torch.sparse_coo_tensor(*parts, size, check_invariants=True)
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        outer, inner = tensor.crow_indices(), tensor.col_indices()
    elif tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        outer, inner = tensor.ccol_indices(), tensor.row_indices()
    else:
        return tensor  # the layouts of one device's library are checked there
    return torch.sparse_compressed_tensor(
        outer, inner, tensor.values(), size, layout=tensor.layout, check_invariants=True
    )


def _to_numpy(tensor: Any, torch: Any) -> NDArray[Any]:  # noqa: ANN401
    kind = str(tensor.dtype).removeprefix("torch.")
    if kind == "bfloat16":
        bits: NDArray[Any] = tensor.view(torch.int16).numpy()
        return bits.view(_narrow(kind))
    if kind in _FLOAT8:
        octets: NDArray[Any] = tensor.view(torch.uint8).numpy()
        return octets.view(_narrow(kind))
    plain: NDArray[Any] = tensor.numpy()
    return plain


def _to_torch(array: NDArray[Any], torch: Any) -> Any:  # noqa: ANN401
    name = array.dtype.name
    if name == "bfloat16":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    if name in _FLOAT8:
        return torch.from_numpy(array.view(np.uint8).copy()).view(getattr(torch, name))
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=True))


def _narrow(kind: str) -> np.dtype[Any]:
    try:
        import ml_dtypes
    except ImportError:
        raise MissingExtraError(kind, "files") from None
    narrow: np.dtype[Any] = np.dtype(getattr(ml_dtypes, kind))
    return narrow


def _torch() -> Any:  # noqa: ANN401
    try:
        import torch
    except ImportError:
        raise MissingExtraError("a .pt file", "torch") from None
    return torch

"""Gradients in files: .npy arrays, .safetensors and .pt state dicts. Nothing is unpickled."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError, MissingExtraError

__all__ = ["Layout", "check_target", "read_gradient", "read_workers", "write_gradient"]

Array = NDArray[Any]

_SUFFIXES = (".npy", ".safetensors", ".pt")


@dataclass(frozen=True, slots=True)
class Layout:
    """Names and shapes of the tensors that one flat vector of coordinates is made of.

    A .npy file has a single tensor, named "".
    """

    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    def split(self, vector: Array) -> dict[str, Array]:
        """Cut a flat vector into its tensors."""
        sizes = [int(np.prod(shape, dtype=np.int64)) for _, shape in self.shapes]
        parts = np.split(vector, np.cumsum(sizes)[:-1])
        return {
            name: part.reshape(shape)
            for (name, shape), part in zip(self.shapes, parts, strict=True)
        }


def read_workers(paths: Iterable[Path]) -> tuple[Array, Layout]:
    """Read one file a worker into an array of shape (workers, coords).

    Raises:
        InputError: no files, or workers whose tensors differ in name, shape or type.
    """
    files = [Path(path) for path in paths]
    if not files:
        raise InputError("no gradient files given; name one file a worker")
    first, layout = read_gradient(files[0])
    rows = [first]
    for path in files[1:]:
        vector, other = read_gradient(path)
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


def read_gradient(path: Path) -> tuple[Array, Layout]:
    """Read one file as a flat vector and the layout that cuts it up again.

    Raises:
        InputError: missing, truncated, of unknown kind, mixed in type, or more than tensors.
        MissingExtraError: the file's kind needs a package that is not installed.
    """
    tensors = _read_tensors(path)
    if not tensors:
        raise InputError(f"{path} holds no tensors")
    types = {array.dtype.name for array in tensors.values()}
    if len(types) > 1:
        raise InputError(f"{path} mixes {', '.join(sorted(types))}; one type a file, please")
    layout = Layout(tuple((name, array.shape) for name, array in tensors.items()))
    return np.concatenate([array.reshape(-1) for array in tensors.values()]), layout


def write_gradient(path: Path, vector: Array, layout: Layout) -> None:
    """Write a flat vector in the kind of file that ``path`` ends with.

    Raises:
        InputError: as :func:`check_target`.
    """
    check_target(path, layout)
    tensors = layout.split(vector)
    suffix = _suffix(path)
    if suffix == ".npy":
        np.save(path, next(iter(tensors.values())), allow_pickle=False)
        return
    named = {name or "gradient": array for name, array in tensors.items()}
    if suffix == ".safetensors":
        try:
            from safetensors.numpy import save_file
        except ImportError:
            raise MissingExtraError("writing .safetensors", "files") from None
        save_file(named, path)
        return
    torch = _torch()
    torch.save({name: _to_torch(array, torch) for name, array in named.items()}, path)


def check_target(path: Path, layout: Layout) -> None:
    """Find out before any work whether :func:`write_gradient` could write there.

    Raises:
        InputError: the ending is unknown, the folder is missing, or one .npy file would have to
            hold several tensors.
    """
    if _suffix(path) == ".npy" and len(layout.shapes) > 1:
        raise InputError(f"{path}: a .npy file holds one tensor, not {len(layout.shapes)}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: there is no such folder")


def _read_tensors(path: Path) -> Mapping[str, Array]:
    suffix = _suffix(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if suffix == ".npy":
        return {"": _read_npy(path)}
    return _read_safetensors(path) if suffix == ".safetensors" else _read_pt(path)


def _suffix(path: Path) -> str:
    if path.suffix not in _SUFFIXES:
        raise InputError(f"{path}: unknown kind of file; use {', '.join(_SUFFIXES)}")
    return path.suffix


def _read_npy(path: Path) -> Array:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path} is not a readable .npy array: {_one_line(error)}") from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} is an archive, not one .npy array")
    return array


def _read_safetensors(path: Path) -> dict[str, Array]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        raise MissingExtraError("reading .safetensors", "files") from None
    try:
        tensors: dict[str, Array] = load_file(path)
    except (SafetensorError, ValueError, OSError, KeyError) as error:
        raise InputError(
            f"{path} is not a readable .safetensors file: {_one_line(error)}"
        ) from None
    except (AttributeError, TypeError, ImportError):
        raise MissingExtraError("bfloat16 in .safetensors", "files") from None
    return {name: tensors[name] for name in sorted(tensors)}


def _read_pt(path: Path) -> dict[str, Array]:
    torch = _torch()
    try:
        with warnings.catch_warnings():  # torch warns of odd pickles that it then refuses
            warnings.simplefilter("ignore")
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path} holds more than tensors, or is damaged; qring never runs code from a file: "
            "save a plain state dict of tensors"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{path} is not a readable .pt state dict: {_one_line(error)}") from None
    if isinstance(state, torch.Tensor):
        state = {"": state}
    if not isinstance(state, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise InputError(f"{path} is not a state dict: expected names mapped to tensors")
    return {str(name): _from_torch(tensor, torch) for name, tensor in state.items()}


def _torch() -> Any:  # noqa: ANN401 - the module is an optional extra
    try:
        import torch
    except ImportError:
        raise MissingExtraError("a .pt file", "torch") from None
    return torch


def _from_torch(tensor: Any, torch: Any) -> Array:  # noqa: ANN401
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype is torch.bfloat16:
        array: Array = tensor.view(torch.int16).numpy().view(_bfloat16())
        return array
    plain: Array = tensor.numpy()
    return plain


def _to_torch(array: Array, torch: Any) -> Any:  # noqa: ANN401
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(array.copy())


def _bfloat16() -> np.dtype[Any]:
    try:
        import ml_dtypes
    except ImportError:
        raise MissingExtraError("bfloat16", "files") from None
    kind: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return kind


def _difference(one: Layout, other: Layout) -> str:
    a, b = dict(one.shapes), dict(other.shapes)
    names = sorted(a.keys() ^ b.keys())
    if names:
        return f"only one of them has {names[0] or 'a bare array'!r}"
    for name, shape in a.items():
        if shape != b[name]:
            label = f"{name!r} has shape" if name else "shape"
            return f"{label} {shape} against {b[name]}"
    return "their tensors come in another order"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__

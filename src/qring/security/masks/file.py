"""One worker's masks on disk: written once, taken out in order, none ever twice.

The file is a header, two cursors and the masks, each beside the public sum of all workers' masks.
Taking masks out moves the cursor *before* they are read, and waits until the disk has it: what was
about to be used when the process died is lost, never used again. The two cursors are written in
turn, in sectors of their own, so one of them is whole whenever the other was being written. Masks
that were taken are overwritten with zeros.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError

__all__ = ["MaskFile", "MaskLabel", "MaskWriter", "Taken"]

_MAGIC, _VERSION = b"qringmsk", 1
_HEADER = struct.Struct("<8sIIII16sQQd")  # version, worker, workers, bits, batch, masks, K, ε
_CURSOR = struct.Struct("<QQ")  # how often it moved, the first mask that was never taken
_CHECK = struct.Struct("<I")
_SLOTS = (512, 1024)
_DATA = 4096

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskLabel:
    """What a file holds: ``masks`` masks mod 2^B of one of ``workers`` workers.

    ``batch``, 16 random bytes, is common to the files that were made together. ``epsilon`` bounds
    what all uses of the batch give away, if at most ``withstood`` words' copies were corrupted.
    """

    batch: bytes
    worker: int
    workers: int
    sum_bits: int
    masks: int
    withstood: int
    epsilon: float

    @property
    def word(self) -> np.dtype[Any]:
        """Type that a mask is stored in: the narrowest little-endian one."""
        return np.dtype(f"<u{next(size for size in (1, 2, 4, 8) if 8 * size >= self.sum_bits)}")

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return _DATA + 2 * self.masks * self.word.itemsize

    def packed(self) -> bytes:
        """The header, with a check sum."""
        return _sealed(
            _HEADER.pack(
                _MAGIC, _VERSION, self.worker, self.workers, self.sum_bits, self.batch, self.masks,
                self.withstood, self.epsilon,
            )
        )  # fmt: skip

    @classmethod
    def read(cls, descriptor: int, path: Path) -> MaskLabel:
        """Read a file's header.

        Raises:
            InputError: not a file of masks, damaged, of another version, or cut short.
        """
        body = _unsealed(os.pread(descriptor, _HEADER.size + _CHECK.size, 0))
        if body is None or body[: len(_MAGIC)] != _MAGIC:
            raise InputError(f"{path} is not a file of masks, or its head is damaged")
        _, version, worker, workers, sum_bits, batch, masks, withstood, epsilon = _HEADER.unpack(
            body
        )
        if version != _VERSION:
            raise InputError(f"{path} has format {version}; this version reads {_VERSION}")
        label = cls(
            batch=batch,
            worker=worker,
            workers=workers,
            sum_bits=sum_bits,
            masks=masks,
            withstood=withstood,
            epsilon=epsilon,
        )
        if (found := os.fstat(descriptor).st_size) != label.size:
            raise InputError(
                f"{path} should have {label.size:,} bytes, but has {found:,}: it was cut short or "
                "added to; make new masks"
            )
        return label


class Taken(NamedTuple):
    """Masks number ``start`` and on: ``own`` and the public ``total``, shape (count,) each."""

    start: int
    own: Words
    total: Words


class MaskWriter:
    """Writes a file of masks part by part; it gets its name only when it is complete."""

    def __init__(self, path: Path, label: MaskLabel) -> None:
        self._path, self._label, self._written = path, label, 0
        self._part = path.with_name(f".{path.name}.{label.batch.hex()[:8]}.part")
        self._file = os.fdopen(
            os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb"
        )
        self._file.write(label.packed().ljust(_SLOTS[0], b"\0"))
        for moved in range(len(_SLOTS)):
            self._file.write(_sealed(_CURSOR.pack(moved, 0)).ljust(512, b"\0"))
        self._file.write(bytes(_DATA - self._file.tell()))

    def append(self, own: Words, total: Words) -> None:
        """Add the next masks and their sums, shape (count,) each."""
        pairs = np.stack([own, total], axis=-1).astype(self._label.word)
        self._file.write(pairs.tobytes())
        self._written += len(own)

    def publish(self) -> None:
        """Give the complete file its name, once the disk has it; a name that exists is kept.

        Raises:
            InputError: there is such a file already, or masks are missing.
        """
        if self._written != self._label.masks:
            raise InputError(f"{self._written} of {self._label.masks} masks were written")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        try:
            os.link(self._part, self._path)  # unlike a rename, this never replaces
        except FileExistsError:
            raise InputError(f"{self._path} exists already; use it up or move it away") from None
        finally:
            self._part.unlink()
        _sync_folder(self._path.parent)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        self._part.unlink(missing_ok=True)


class MaskFile:
    """Masks of one worker, on disk. Any number of processes may take from it at once."""

    __slots__ = ("_descriptor", "_path", "label")

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            InputError: it is not there, not a whole file of masks, or its cursors are damaged.
        """
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"cannot open the masks {path}: {error.strerror}") from None
        try:
            self.label = MaskLabel.read(self._descriptor, path)
            self._cursor()
        except InputError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    @property
    def used(self) -> int:
        """Masks that are gone: the number of the first one never taken."""
        return self._cursor()[1]

    def take(self, count: int, *, start: int | None = None) -> Taken:
        """Take the next ``count`` masks out for good, or those from ``start`` on.

        Masks before ``start`` are given up. When this returns, the disk knows that they are gone.

        Raises:
            InputError: not enough masks, or some that were taken before.
        """
        with self._locked():
            moved, used = self._cursor()
            first = used if start is None else start
            if first < used:
                raise InputError(
                    f"masks from {first:,} on were asked of {self._path}, but those before "
                    f"{used:,} are used up, and no mask is used twice"
                )
            if count < 0 or first + count > self.label.masks:
                raise InputError(
                    f"{count:,} masks are needed, but {self._path} has "
                    f"{max(0, self.label.masks - first):,} left; make new masks"
                )
            slot = _SLOTS[(moved + 1) % len(_SLOTS)]
            os.pwrite(self._descriptor, _sealed(_CURSOR.pack(moved + 1, first + count)), slot)
            os.fsync(self._descriptor)
            word, pair = self.label.word, 2 * self.label.word.itemsize
            stored = _pread(self._descriptor, count * pair, _DATA + first * pair)
            _erase(self._descriptor, (first + count - used) * pair, _DATA + used * pair)
        pairs = np.frombuffer(stored, word).reshape(count, 2).astype(np.uint64)
        return Taken(first, pairs[:, 0].copy(), pairs[:, 1].copy())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _cursor(self) -> tuple[int, int]:
        found = []
        for slot in _SLOTS:
            body = _unsealed(os.pread(self._descriptor, _CURSOR.size + _CHECK.size, slot))
            if body is not None:
                found.append(_CURSOR.unpack(body))
        if not found or max(found)[1] > self.label.masks:
            raise InputError(
                f"{self._path} does not say any more which masks were used; make new masks"
            )
        moved, used = max(found)
        return int(moved), int(used)


def _sealed(body: bytes) -> bytes:
    return body + _CHECK.pack(zlib.crc32(body))


def _unsealed(stored: bytes) -> bytes | None:
    body, check = stored[: -_CHECK.size], stored[-_CHECK.size :]
    return body if len(check) == _CHECK.size and check == _CHECK.pack(zlib.crc32(body)) else None


def _pread(descriptor: int, size: int, offset: int) -> bytes:
    parts = []
    while size:
        part = os.pread(descriptor, min(size, 1 << 26), offset)
        if not part:
            raise InputError("a file of masks became shorter while it was read; make new masks")
        parts.append(part)
        size, offset = size - len(part), offset + len(part)
    return b"".join(parts)


def _erase(descriptor: int, size: int, offset: int) -> None:
    zeros = bytes(min(size, 1 << 20))
    while size:
        written = os.pwrite(descriptor, zeros[:size], offset)
        size, offset = size - written, offset + written


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

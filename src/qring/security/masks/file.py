"""One worker's masks on disk: written once, taken out in order, none ever twice.

The file is a header, two cursors, the masks, each beside the public sum of all workers' masks, and
a check sum of each block of masks. Taking masks out moves the cursor *before* they are handed out,
and waits until the disk has it: what was about to be used when the process died is lost, never
used again. The two cursors are written in turn, in sectors of their own, so one of them is whole
whenever the other was being written. Masks that were taken are overwritten with zeros; the cursor
holds the check sum of what is left of its block. Check sums find damage, not somebody who writes
the file.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.security.masks.leftovers import exists, held

__all__ = ["MaskFile", "MaskLabel", "MaskWriter", "Seen", "Taken"]

_MAGIC, _VERSION = b"qringmsk", 2
_START = struct.Struct("<8sI")  # what every version begins with: its name and number
# version, worker, workers, bits, batch, masks, K, ε of secrecy, ε of correctness
_HEADER = struct.Struct("<8sIIII16sQQdd")
# how often it moved, the first mask that was never taken, check sum of the rest of its block
_CURSOR = struct.Struct("<QQI")
_CHECK = struct.Struct("<I")
_SLOTS = (512, 1024)
_DATA = 4096
_BLOCK = 4096  # masks with a check sum of their own
_READ = 1 << 18  # masks read back at once

Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskLabel:
    """Label of a file: ``masks`` masks mod 2^B of one of ``workers`` workers.

    ``batch``, 16 random bytes, is common to the files that were made together. ``epsilon`` bounds
    what all uses of the batch give away, if at most ``withstood`` words' copies were corrupted, and
    ``correctness`` the probability that the sums are wrong.
    """

    batch: bytes
    worker: int
    workers: int
    sum_bits: int
    masks: int
    withstood: int
    epsilon: float
    correctness: float

    @property
    def word(self) -> np.dtype[Any]:
        """Type that a mask is stored in: the narrowest little-endian one."""
        return np.dtype(f"<u{next(size for size in (1, 2, 4, 8) if 8 * size >= self.sum_bits)}")

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.sums + _CHECK.size * -(-self.masks // _BLOCK)

    @property
    def pair(self) -> int:
        """Bytes of a mask and its sum."""
        return 2 * self.word.itemsize

    @property
    def sums(self) -> int:
        """Offset of the check sums of blocks."""
        return _DATA + self.masks * self.pair

    def packed(self) -> bytes:
        """The header, with a check sum."""
        return _sealed(
            _HEADER.pack(
                _MAGIC, _VERSION, self.worker, self.workers, self.sum_bits, self.batch, self.masks,
                self.withstood, self.epsilon, self.correctness,
            )
        )  # fmt: skip

    @classmethod
    def read(cls, descriptor: int, path: Path) -> MaskLabel:
        """Read a file's header.

        Raises:
            InputError: not a file of masks, damaged, of another version, or cut short.
        """
        stored = os.pread(descriptor, _HEADER.size + _CHECK.size, 0)
        if len(stored) >= _START.size:
            magic, version = _START.unpack(stored[: _START.size])
            if magic == _MAGIC and version != _VERSION:
                raise InputError(
                    f"{path} holds masks of format {version}, and this version uses format "
                    f"{_VERSION} only: make new masks"
                )
        body = _unsealed(stored)
        if body is None or body[: len(_MAGIC)] != _MAGIC:
            raise InputError(f"{path} is not a file of masks, or its head is damaged")
        _, _, worker, workers, sum_bits, batch, masks, withstood, epsilon, correctness = (
            _HEADER.unpack(body)
        )
        label = cls(
            batch=batch,
            worker=worker,
            workers=workers,
            sum_bits=sum_bits,
            masks=masks,
            withstood=withstood,
            epsilon=epsilon,
            correctness=correctness,
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


class Seen(NamedTuple):
    """Masks that were found whole, not taken yet: ``number`` from ``start`` on, as they are stored.

    ``moved`` says where the cursor stood; ``rest`` is the check sum of the block's rest after them.
    """

    start: int
    number: int
    stored: bytes
    moved: int
    rest: int


class MaskWriter:
    """Writes a file of masks part by part; it gets its name only when it is complete."""

    def __init__(self, path: Path, label: MaskLabel) -> None:
        self.path, self._label, self._written = path, label, 0
        self._sums: list[int] = []
        self._part = path.with_name(f".{path.name}.{label.batch.hex()[:8]}.part")
        self._file = held(self._part)
        self._file.write(label.packed().ljust(_SLOTS[0], b"\0"))
        for moved in range(len(_SLOTS)):
            self._file.write(_sealed(_CURSOR.pack(moved, 0, 0)).ljust(512, b"\0"))
        self._file.write(bytes(_DATA - self._file.tell()))

    def append(self, own: Words, total: Words) -> None:
        """Add the next masks and their sums, shape (count,) each."""
        stored = np.stack([own, total], axis=-1).astype(self._label.word).tobytes()
        self._file.write(stored)
        for begin, part in _blocks(self._written, stored, self._label.pair):
            if begin % _BLOCK == 0:
                self._sums.append(0)
            self._sums[-1] = zlib.crc32(part, self._sums[-1])
        self._written += len(own)

    def parts(self) -> Iterator[Taken]:
        """Read back what was written so far, in order."""
        self._file.flush()
        pair = self._label.pair
        for start in range(0, self._written, _READ):
            count = min(_READ, self._written - start)
            stored = _pread(self._file.fileno(), count * pair, _DATA + start * pair)
            yield _taken(start, stored, self._label)

    def publish(self) -> None:
        """Give the complete file its name, once the disk has it; a name that exists is kept.

        Raises:
            InputError: there is such a file already, or masks are missing.
        """
        if self._written != self._label.masks:
            raise InputError(f"{self._written} of {self._label.masks} masks were written")
        self._file.write(struct.pack(f"<{len(self._sums)}I", *self._sums))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        try:
            os.link(self._part, self.path)  # unlike a rename, this never replaces
        except FileExistsError:
            raise InputError(exists(self.path)) from None
        finally:
            self._part.unlink()
        _sync_folder(self.path.parent)

    def discard(self) -> None:
        """Leave nothing behind, also where the disk takes no more."""
        self._part.unlink(missing_ok=True)
        with suppress(OSError):
            self._file.close()


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
            InputError: not enough masks, some that were taken before, or damaged ones; then none
                is taken.
        """
        with self._locked():
            return self._spend(self._look(count, start))

    def look(self, count: int, *, start: int) -> Seen:
        """Make sure that masks could be taken, and are not damaged; take none.

        Raises:
            InputError: as :meth:`take`.
        """
        with self._locked():
            return self._look(count, start)

    def spend(self, seen: Seen) -> Taken:
        """Take out for good what :meth:`look` has seen.

        Raises:
            InputError: somebody else took masks in between.
        """
        with self._locked():
            return self._spend(seen)

    def _look(self, count: int, start: int | None) -> Seen:
        moved, used, rest = self._cursor()
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
        stop, pair = first + count, self.label.pair
        low = max(used, first // _BLOCK * _BLOCK)
        high = min(self.label.masks, -(-stop // _BLOCK) * _BLOCK)
        stored = _pread(self._descriptor, (high - low) * pair, _DATA + low * pair)
        at = low // _BLOCK
        table = _pread(
            self._descriptor,
            _CHECK.size * (-(-high // _BLOCK) - at),
            self.label.sums + _CHECK.size * at,
        )
        for begin, part in _blocks(low, stored, pair):
            expected: int = _CHECK.unpack_from(table, _CHECK.size * (begin // _BLOCK - at))[0]
            if zlib.crc32(part) != (rest if begin % _BLOCK else expected):
                raise InputError(
                    f"masks {begin:,} to {begin + len(part) // pair - 1:,} in {self._path} are "
                    "damaged: their check sum is wrong; make new masks"
                )
        left = stored[(stop - low) * pair :]
        return Seen(
            first, count, stored[(first - low) * pair : (stop - low) * pair], moved,
            zlib.crc32(left) if left else 0,
        )  # fmt: skip

    def _spend(self, seen: Seen) -> Taken:
        moved, used, _ = self._cursor()
        if moved != seen.moved:
            raise InputError(f"somebody else took masks out of {self._path} just now; try again")
        stop, pair = seen.start + seen.number, self.label.pair
        slot = _SLOTS[(moved + 1) % len(_SLOTS)]
        os.pwrite(self._descriptor, _sealed(_CURSOR.pack(moved + 1, stop, seen.rest)), slot)
        os.fsync(self._descriptor)
        _erase(self._descriptor, (stop - used) * pair, _DATA + used * pair)
        return _taken(seen.start, seen.stored, self.label)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _cursor(self) -> tuple[int, int, int]:
        found = []
        for slot in _SLOTS:
            body = _unsealed(os.pread(self._descriptor, _CURSOR.size + _CHECK.size, slot))
            if body is not None:
                found.append(_CURSOR.unpack(body))
        if not found or max(found)[1] > self.label.masks:
            raise InputError(
                f"{self._path} does not say any more which masks were used; make new masks"
            )
        moved, used, rest = max(found)
        return int(moved), int(used), int(rest)


def _sealed(body: bytes) -> bytes:
    return body + _CHECK.pack(zlib.crc32(body))


def _unsealed(stored: bytes) -> bytes | None:
    body, check = stored[: -_CHECK.size], stored[-_CHECK.size :]
    return body if len(check) == _CHECK.size and check == _CHECK.pack(zlib.crc32(body)) else None


def _blocks(start: int, stored: bytes, pair: int) -> Iterator[tuple[int, memoryview]]:
    """Cut masks from number ``start`` on into their blocks: first mask and bytes of each part."""
    view, stop = memoryview(stored), start + len(stored) // pair
    begin = start
    while begin < stop:
        end = min(stop, (begin // _BLOCK + 1) * _BLOCK)
        yield begin, view[(begin - start) * pair : (end - start) * pair]
        begin = end


def _taken(start: int, stored: bytes, label: MaskLabel) -> Taken:
    pairs = np.frombuffer(stored, label.word).reshape(-1, 2).astype(np.uint64)
    return Taken(start, pairs[:, 0].copy(), pairs[:, 1].copy())


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

"""Masks made ahead for all workers: a folder with one file a worker."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from qring.errors import InputError
from qring.security.masks.file import MaskFile, MaskLabel, MaskWriter, Words
from qring.security.masks.leftovers import NAME, exists, remove_leftovers
from qring.security.masks.making import Made, MaskMaking, make_masks

__all__ = ["Inventory", "fill", "mask_path", "writers"]


def mask_path(folder: Path, worker: int) -> Path:
    """Path of a worker's masks."""
    return folder / NAME.format(worker)


@contextmanager
def writers(folder: Path, labels: list[MaskLabel]) -> Iterator[list[MaskWriter]]:
    """Write files of masks together; unless the block ends well, none of them is left.

    Raises:
        InputError: the folder cannot be used, or holds masks of one of the workers.
    """
    open_: list[MaskWriter] = []
    published: list[Path] = []
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(folder)
            for label in labels:
                path = mask_path(folder, label.worker)
                if path.exists():
                    raise InputError(exists(path))
                open_.append(MaskWriter(path, label))
        except OSError as error:
            raise InputError(f"cannot keep masks in {folder}: {error.strerror}") from None
        try:
            yield open_
            while open_:
                open_[-1].publish()
                published.append(open_.pop().path)
        except OSError as error:
            raise InputError(f"cannot keep masks in {folder}: {error.strerror or error}") from None
    except BaseException:
        for path in published:  # without all others nobody can use them
            path.unlink(missing_ok=True)
        raise
    finally:
        for writer in open_:
            writer.discard()


def fill(
    folder: Path,
    making: MaskMaking,
    *,
    batch: bytes,
    workers: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
) -> Made:
    """Make a batch, and keep the masks of ``workers``, those that live here, in a folder.

    ``batch`` is its name, 16 random bytes. Nothing is kept unless all went well. ``progress`` is
    told masks made and wanted.

    Raises:
        InputError: a folder that cannot be used, or noise that masks do not survive.
    """
    terms = making.terms
    labels = [
        MaskLabel(
            batch=batch,
            worker=worker,
            workers=terms.workers,
            sum_bits=terms.sum_bits,
            masks=terms.masks,
            withstood=terms.withstood,
            epsilon=terms.secrecy,
            correctness=terms.correctness,
        )
        for worker in workers
    ]
    try:
        with writers(folder, labels) as open_:
            made = make_masks(making, _Files(open_, terms.masks, progress))
            if made.reason is not None:
                raise _UnmadeError
    except _UnmadeError:
        pass
    return made


class _Files:
    """Masks on disk, whose files are still being written."""

    def __init__(
        self, open_: list[MaskWriter], masks: int, progress: Callable[[int, int], None] | None
    ) -> None:
        self._open, self._masks, self._progress, self._kept = open_, masks, progress, 0

    def keep(self, own: Words, total: Words) -> None:
        self._kept += len(total)
        if self._progress is not None:
            self._progress(min(self._kept, self._masks), self._masks)
        for row, writer in zip(own, self._open, strict=True):
            writer.append(row, total)

    def parts(self) -> Iterator[tuple[Words, Words]]:
        for alike in zip(*(writer.parts() for writer in self._open), strict=True):
            yield np.stack([part.own for part in alike]), alike[0].total


class _UnmadeError(Exception):
    """A batch came to nothing: its files are to go."""


class Inventory:
    """Masks of all ``workers`` workers, in one process. Nobody but a simulation holds them all."""

    def __init__(self, folder: Path) -> None:
        """Open a folder of masks.

        Raises:
            InputError: a file that is missing, damaged, or of another batch.
        """
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}; make masks with: qring masks --make")
        there = sorted(path.name for path in folder.glob(NAME.format("*")))
        first = MaskFile(mask_path(folder, 0)) if there else None
        if first is None:
            raise InputError(f"{folder} holds no masks; make some with: qring masks --make")
        self.label = first.label
        self._files = [first]
        self._lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if len(there) < self.label.workers:
                raise InputError(
                    f"{folder} holds masks of {len(there)} of {self.label.workers} workers: their "
                    f"maker was stopped, and nobody can use them; remove them with qring masks "
                    f"{folder} --discard"
                )
            for worker in range(1, self.label.workers):
                self._files.append(MaskFile(mask_path(folder, worker)))
            for worker, file in enumerate(self._files):
                label = file.label
                if (label.batch, label.worker) != (self.label.batch, worker):
                    raise InputError(
                        f"the masks of worker {worker} in {folder} were not made together with "
                        "those of worker 0: their sums are not known"
                    )
        except InputError:
            self.close()
            raise

    def __enter__(self) -> Inventory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._lock)
        for file in self._files:
            file.close()

    @property
    def left(self) -> int:
        """Masks that every worker still has."""
        return self.label.masks - max(file.used for file in self._files)

    def take(self, count: int) -> tuple[int, Words, Words]:
        """Take ``count`` masks out for good: start, masks of shape (workers, count), their sums.

        Where a worker is ahead, because another died between taking and using, all skip there.

        Raises:
            InputError: not enough masks are left, or some are damaged; then none is taken.
        """
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # other processes must not take in between
        try:
            start = max(file.used for file in self._files)
            seen = [file.look(count, start=start) for file in self._files]  # all, or none
            taken = [file.spend(each) for file, each in zip(self._files, seen, strict=True)]
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
        return start, np.stack([each.own for each in taken]), taken[0].total

"""Run a function in several processes, one a rank, and bring back what each returned."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

import qring.torch as qt

LIMIT_S = 60


class EndedError(Exception):
    """A rank ended without a word."""


def run(
    size: int,
    function: Callable[..., Any],
    *arguments: Any,
    options: qt.Options | None = None,
    timeout_s: float = 30,
    limit_s: float = LIMIT_S,
    expect_death: bool = False,
) -> list[Any]:
    """Call ``function(rank, size, *arguments)`` in a process group of ``size`` ranks.

    Returns what each rank returned, or the exception it raised as a string ``"Type: text"`` in a
    :class:`Failure`; with ``expect_death`` a rank may also end without a word (None).
    """
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        ranks = []
        for rank in range(size):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=_main,
                args=(theirs, rank, size, Path(folder) / "store", options, timeout_s, function,
                      arguments),
            )  # fmt: skip
            process.start()
            theirs.close()
            ranks.append((process, ours))
        try:
            results = _collect([ours for _, ours in ranks], limit_s)
        finally:
            for process, ours in ranks:
                if process.is_alive():
                    process.join(5)
                if process.is_alive():
                    os.kill(process.pid, signal.SIGKILL)
                    process.join()
                ours.close()
    for rank, result in enumerate(results):
        if isinstance(result, EndedError) and not expect_death:
            raise EndedError(f"rank {rank} ended without a word")
        if isinstance(result, Failure) and result.unexpected:
            raise AssertionError(f"rank {rank}:\n{result.trace}")
    return [None if isinstance(result, EndedError) else result for result in results]


class Failure:
    """An exception of a rank."""

    def __init__(self, error: BaseException, *, unexpected: bool) -> None:
        self.kind, self.text = type(error).__name__, str(error)
        self.trace = "".join(traceback.format_exception(error))
        self.unexpected = unexpected

    def __repr__(self) -> str:
        return f"{self.kind}: {self.text}"


def error_of(function: Callable[[], Any]) -> Failure | None:
    """The exception that a call raises, if it does."""
    try:
        function()
    except Exception as error:
        return Failure(error, unexpected=False)
    return None


def _collect(pipes: list[Connection], limit_s: float) -> list[Any]:
    results: list[Any] = [EndedError() for _ in pipes]
    left = {pipe: rank for rank, pipe in enumerate(pipes)}
    deadline = time.monotonic() + limit_s
    while left:
        ready = wait(list(left), max(0.0, deadline - time.monotonic()))
        if not ready:
            raise AssertionError(f"ranks {sorted(left.values())} are not done after {limit_s} s")
        for pipe in ready:
            rank = left.pop(pipe)
            with contextlib.suppress(EOFError):
                results[rank] = pickle.loads(pipe.recv_bytes())  # noqa: S301
    return results


def _main(
    pipe: Connection,
    rank: int,
    size: int,
    store: Path,
    options: qt.Options | None,
    timeout_s: float,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    torch.set_num_threads(1)
    # pytest's own handler would keep callers from doing collectives themselves, as programs' do.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for category in (DeprecationWarning, FutureWarning):  # PyTorch's own
        warnings.simplefilter("ignore", category)
    try:
        dist.init_process_group(
            "qring",
            store=dist.FileStore(str(store), size),
            rank=rank,
            world_size=size,
            timeout=timedelta(seconds=timeout_s),
            pg_options=options,
        )
        result = function(rank, size, *arguments)
        if dist.is_initialized():
            dist.destroy_process_group()
    except BaseException as error:
        result = Failure(error, unexpected=True)
    pipe.send_bytes(pickle.dumps(result))
    pipe.close()

"""Start the ranks of a training job on this machine, watch them, and end them together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qring.data import images
from qring.errors import InputError, MissingExtraError, PeerError
from qring.training.folder import claimed
from qring.training.leash import LEASH
from qring.training.settings import TrainSettings

__all__ = ["launch"]

_LOOK_S = 0.02
_LAST_WORDS_S = 0.5  # for other ranks to say what they saw of a death
_CLEAN_UP_S = 1.0


def launch(settings: TrainSettings, *, workers: int, out: Path, compare: bool) -> None:
    """Run ``workers`` ranks of :mod:`qring.training.rank` and wait; results are left in ``out``.

    However this process ends, its ranks end with it.

    Raises:
        InputError: fewer than one worker, a folder that cannot be made or that holds a run
            already, or settings that the ranks refuse.
        PeerError: a rank died.
        MissingExtraError: torch or the images are not installed.
    """
    if workers < 1:
        raise InputError(f"training needs at least 1 worker, not {workers}")
    images.locate(settings.data)
    try:
        from torch.distributed import TCPStore
    except ImportError:
        raise MissingExtraError("training", "torch") from None
    if settings.dp_epsilon:
        _refuse_early(settings, workers)
    with claimed(out):
        store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
        words = ["-m", "qring.training.rank", *settings.as_arguments(), "--out", str(out)]
        words += ["--claimed", *(["--compare"] if compare else [])]
        with _ranks(words, workers, store.port) as ranks:
            _wait(ranks)


@contextlib.contextmanager
def _ranks(words: list[str], workers: int, port: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start all ranks; none is left when the block ends."""
    ranks: list[subprocess.Popen[bytes]] = []
    everywhere = {
        **os.environ,
        LEASH: str(os.getpid()),
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",  # the store is in this process
        "TORCHELASTIC_RESTART_COUNT": "0",
        "WORLD_SIZE": str(workers),
        "LOCAL_WORLD_SIZE": str(workers),
    }
    try:
        # Ranks inherit the block, so Ctrl-C in a terminal reaches this process alone.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for rank in range(workers):
                own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                ranks.append(
                    subprocess.Popen(  # noqa: S603
                        [sys.executable, *words],
                        env={**everywhere, **own},
                        stdin=subprocess.DEVNULL,
                        stdout=_stderr(),
                    )
                )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        yield ranks
    finally:
        _end(ranks)


def _wait(ranks: list[subprocess.Popen[bytes]]) -> None:
    """Wait until all ranks are done, or one has failed.

    Raises:
        InputError: a rank refused to start.
        PeerError: a rank died.
    """
    while True:
        codes = [rank.poll() for rank in ranks]
        if any(codes):
            break
        if all(code == 0 for code in codes):
            return
        time.sleep(_LOOK_S)
    # A rank that was killed matters more than those that complain of it, in the same moment.
    rank = min((r for r, code in enumerate(codes) if code), key=lambda r: (codes[r] == 3, r))
    code: Any = codes[rank]
    end = time.monotonic() + _LAST_WORDS_S
    while time.monotonic() < end and any(each.poll() is None for each in ranks):
        time.sleep(_LOOK_S)
    if code == 2:
        raise InputError(f"rank {rank} refused to start, see above")
    how = f"ended with status {code}" if code > 0 else f"was killed by signal {-code}"
    raise PeerError(f"the run failed: rank {rank} {how}")


def _end(ranks: list[subprocess.Popen[bytes]]) -> None:
    """End what still runs: by a signal that lets it clean up, then by one that does not."""
    running = [rank for rank in ranks if rank.poll() is None]
    for rank in running:
        rank.terminate()
    end = time.monotonic() + _CLEAN_UP_S
    for rank in running:
        try:
            rank.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            rank.kill()
            rank.wait()


def _stderr() -> int | None:
    """Output of ranks: results of the command alone go to standard output."""
    try:
        return sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return subprocess.DEVNULL


def _refuse_early(settings: TrainSettings, workers: int) -> None:
    """Calibrate once before any rank starts, so that what cannot be promised is refused once."""
    from qring.training import models, private

    model = models.build(settings.model, images.PIXELS[settings.data])
    private.plan_for(settings, workers=workers, coords=models.size(model))

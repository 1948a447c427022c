"""Start the ranks of a training job on this machine, through torch's own elastic launcher."""

from __future__ import annotations

import logging
import sys
import uuid
from pathlib import Path

from qring.data import images
from qring.errors import InputError, MissingExtraError, PeerError
from qring.training.settings import TrainSettings

__all__ = ["launch"]


def launch(settings: TrainSettings, *, workers: int, out: Path, compare: bool) -> None:
    """Run ``workers`` ranks of :mod:`qring.training.rank` and wait; results are left in ``out``.

    Raises:
        InputError: fewer than one worker, a folder that cannot be made, or settings that the
            ranks refuse.
        PeerError: a rank died.
        MissingExtraError: torch or the images are not installed.
    """
    if workers < 1:
        raise InputError(f"training needs at least 1 worker, not {workers}")
    images.locate(settings.data)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {out}: {error.strerror}") from None
    try:
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
        from torch.distributed.launcher.api import LaunchConfig, elastic_launch
    except ImportError:
        raise MissingExtraError("training", "torch") from None
    if settings.dp_epsilon:
        _refuse_early(settings, workers)
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=workers,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
    )
    script = ["-m", "qring.training.rank", *settings.as_arguments(), "--out", str(out)]
    if compare:
        script.append("--compare")
    try:
        elastic_launch(config, sys.executable)(*script)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode == 2:
            raise InputError(f"rank {rank} refused to start, see above") from None
        status = failure.exitcode
        end = f"ended with status {status}" if status > 0 else f"was killed by signal {-status}"
        raise PeerError(f"the run failed: rank {rank} {end}") from None


def _refuse_early(settings: TrainSettings, workers: int) -> None:
    """Calibrate once before any rank starts, so that what cannot be promised is refused once."""
    from qring.training import models, private

    model = models.build(settings.model, images.PIXELS[settings.data])
    private.plan_for(settings, workers=workers, coords=models.size(model))

"""Trials of an experiment: every arm with every seed, kept on disk, and compared pair by pair."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qring.atomic import make_folder, write_text
from qring.errors import InputError, MissingExtraError
from qring.jsontext import to_json

__all__ = ["Difference", "compare", "mean_interval", "run_trials"]

Trial = dict[str, Any]

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Mean of a measure in one arm less that in another, same seeds; 95 % interval (Student)."""

    arm: str
    against: str
    measure: str
    mean: float
    interval: tuple[float, float]
    seeds: int

    @property
    def verdict(self) -> str:
        """Verdict of the interval, either way."""
        low, high = self.interval
        return "higher" if low > 0 else "lower" if high < 0 else "no difference seen"


def run_trials(
    folder: Path,
    settings: Mapping[str, Any],
    arms: Sequence[str],
    trial: Callable[[str, int], Trial],
    progress: Callable[[int, int], None],
) -> list[Trial]:
    """Run what ``folder`` does not hold yet: ``trial(arm, seed)`` for ``settings["seeds"]`` seeds.

    Every finished trial is a line of ``trials.jsonl``; an interrupted experiment goes on there.

    Raises:
        InputError: the folder holds trials with other settings, or cannot be written.
    """
    path = folder / "trials.jsonl"
    head = {"settings": dict(settings)}
    make_folder(folder)
    try:
        lines = path.read_text().splitlines() if path.exists() else []
        rows = [json.loads(line) for line in lines if line.endswith("}")]
        if rows and rows[0] != json.loads(to_json(head)):
            raise InputError(f"{path} holds trials with other settings; choose another folder")
        # Written anew: a line that an interruption cut short is dropped.
        write_text(path, "".join(to_json(row) + "\n" for row in rows or [head]))
        done = {(row["arm"], row["seed"]): row for row in rows[1:]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"cannot keep trials in {path}: {error}") from None
    wanted = [(arm, seed) for seed in range(int(settings["seeds"])) for arm in arms]
    for count, (arm, seed) in enumerate(wanted):
        progress(count, len(wanted))
        if (arm, seed) not in done:
            done[arm, seed] = {"arm": arm, "seed": seed, **trial(arm, seed)}
            with path.open("a") as file:
                file.write(to_json(done[arm, seed]) + "\n")
    progress(len(wanted), len(wanted))
    return [done[key] for key in wanted]


def compare(trials: Sequence[Trial], arm: str, against: str, measure: str) -> Difference:
    """Compare two arms seed by seed."""
    values = {
        name: {row["seed"]: float(row[measure]) for row in trials if row["arm"] == name}
        for name in (arm, against)
    }
    gaps = [values[arm][seed] - values[against][seed] for seed in sorted(values[arm])]
    mean, interval = mean_interval(gaps)
    return Difference(
        arm=arm, against=against, measure=measure, mean=mean, interval=interval, seeds=len(gaps)
    )


def mean_interval(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """Mean and its 95 % interval by Student's law; infinite for a single value."""
    try:
        from scipy.stats import t
    except ImportError:
        raise MissingExtraError("intervals of experiments", "conflict") from None
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, (-math.inf, math.inf)
    quantile = float(t.ppf((1 + _CONFIDENCE) / 2, len(values) - 1))
    radius = quantile * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean, (mean - radius, mean + radius)

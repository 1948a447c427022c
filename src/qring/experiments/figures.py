"""Figures of the experiments, as SVG that is the same bytes for the same trials."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qring.atomic import write
from qring.errors import MissingExtraError
from qring.experiments.trials import Trial, mean_interval

__all__ = ["draw"]


def draw(
    path: Path,
    trials: Sequence[Trial],
    arms: Mapping[str, str],
    *,
    curve: str,
    curve_label: str,
    x_label: str,
) -> None:
    """Accuracy by arm with its interval, and beside it the mean of ``curve`` step by step.

    ``arms`` maps names to labels, in the order drawn.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("drawing figures", "plots") from None
    with rc_context({"svg.hashsalt": "qring", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        for place, (arm, label) in enumerate(arms.items()):
            rows = [row for row in trials if row["arm"] == arm]
            mean, (low, high) = mean_interval([row["accuracy"] for row in rows])
            reach = [[100 * (mean - low)], [100 * (high - mean)]]
            left.errorbar([100 * mean], [place], xerr=reach, fmt="o", capsize=4, color=f"C{place}")
            lines: np.ndarray[Any, Any] = np.array([row[curve] for row in rows], float)
            lines = lines.mean(axis=0)
            lines = lines.mean(axis=-1) if lines.ndim > 1 else lines
            right.plot(1 + np.arange(len(lines)), lines, color=f"C{place}", label=label)
        left.set_yticks(range(len(arms)), list(arms.values()))
        left.invert_yaxis()
        left.set_xlabel("held-out accuracy, %, and its 95 % interval")
        right.set_xlabel(x_label)
        right.set_ylabel(curve_label)
        right.legend(frameon=False)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    write(path, picture.getbuffer())

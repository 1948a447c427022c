"""Audits and pairs of a run as plots, for its folder."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qring.atomic import write
from qring.errors import MissingExtraError
from qring.network.timeline import Timeline

__all__ = ["draw_audits", "draw_inventory"]

_LINKS_DRAWN = 4


def draw_audits(path: Path, audits: Sequence[Mapping[str, Any]]) -> None:
    """Draw the fraction in conflict with its interval, and the carriers spent, step by step.

    ``audits`` are rows of a run's metrics; the file is an SVG, the same bytes for the same rows.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("drawing audits", "plots") from None
    steps = [row["step"] for row in audits]
    fractions = [row["fraction"] for row in audits]
    with rc_context({"svg.hashsalt": "qring", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(8, 3), layout="constrained")
        found, spent = figure.subplots(1, 2)
        found.plot(steps, fractions, "o-", color="C0")
        if audits[0]["interval"] is not None:
            low, high = zip(*(row["interval"] for row in audits), strict=True)
            found.fill_between(steps, low, high, color="C0", alpha=0.2, linewidth=0)
        kind = audits[0]["audit"]
        label = "share of the step" if kind == "subspace" else "fraction in conflict"
        found.set(xlabel="step", ylabel=f"{label} ({kind})", ylim=(0, 1))
        sent = [row["qubits"] + row["bits"] for row in audits]
        spent.plot(steps, sent, "o-", color="C1", label="qubits and bits of the audit")
        label = f"bits of the rival: {audits[0]['rival']}"
        spent.plot(steps, [row["rival_bits"] for row in audits], "s--", color="C2", label=label)
        spent.set(xlabel="step", ylabel="carriers of an audit", ylim=(0, None))
        spent.legend(frameon=False)
        for axes in (found, spent):
            axes.spines[["top", "right"]].set_visible(False)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    write(path, picture.getbuffer())


def draw_inventory(path: Path, timeline: Timeline) -> None:
    """Draw pairs held, and mean age and fidelity at use, message by message of the first links.

    The file is an SVG, the same bytes for the same timeline.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("drawing inventories", "plots") from None
    ends = sorted({(use.src, use.dst) for use in timeline.uses})[:_LINKS_DRAWN]
    with rc_context({"svg.hashsalt": "qring", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(8, 3), layout="constrained")
        held, age, fidelity = figure.subplots(1, 3)
        for src, dst in ends:
            uses = [use for use in timeline.uses if (use.src, use.dst) == (src, dst)]
            times = [use.time_s for use in uses]
            held.step(times, [use.held for use in uses], where="post", label=f"{src}→{dst}")
            age.plot(times, [use.mean_age_s for use in uses], ".-")
            fidelity.plot(times, [use.mean_fidelity for use in uses], ".-")
        held.set(xlabel="time (s)", ylabel="pairs held, before a message")
        age.set(xlabel="time (s)", ylabel="mean age at use (s)")
        fidelity.set(xlabel="time (s)", ylabel="mean fidelity at use")
        if ends:
            held.legend(frameon=False)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    write(path, picture.getvalue())

"""A curve of the report: what is measured for it, and how it is drawn."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from qring.atomic import make_folder, write, write_text
from qring.errors import MissingExtraError
from qring.jsontext import to_json
from qring.paper.claim import generator

__all__ = ["GREY", "INK", "ORANGE", "PURPLE", "TEAL", "Curve", "Data", "Drawn", "draw", "measure"]

Data = dict[str, list[float]]
"""Columns of numbers, as they are written beside the picture."""

INK, TEAL, ORANGE, PURPLE, GREY = "#1f2933", "#14917f", "#d9641e", "#a33bb5", "#8a94a0"
"""Colours that are legible on white and on black; the ink follows the page's text."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": INK,
    "grid.alpha": 0.13,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "figure.figsize": (6.2, 4.1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """``measure`` runs protocols and asks theory; ``paint`` puts the columns on axes."""

    id: str
    title: str
    caption: str
    measure: Callable[[np.random.Generator], Data]
    paint: Callable[[Any, Data], None]


class Drawn(NamedTuple):
    """A curve as an SVG element that fits into a page."""

    title: str
    caption: str
    svg: str


def measure(curve: Curve, seed: int) -> Data:
    """Run what the curve needs; the same seed gives the same columns."""
    return curve.measure(generator(seed, curve.id, 0, 0))


def draw(curves: Iterable[tuple[Curve, Data]], folder: Path) -> dict[str, Drawn]:
    """Write every curve as SVG, PNG and JSON into ``folder``, and return it for the page.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("drawing curves", "reproduce") from None
    make_folder(folder)
    drawn = {}
    for curve, data in curves:
        with mpl.rc_context({**_STYLE, "svg.hashsalt": curve.id}):
            figure = Figure(layout="constrained")
            FigureCanvasAgg(figure)
            axes = figure.add_subplot()
            curve.paint(axes, data)
            pixels = io.BytesIO()
            figure.savefig(pixels, format="png", dpi=160, facecolor="white")
            buffer = io.StringIO()
            figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        write(folder / f"{curve.id}.png", pixels.getbuffer())
        write_text(folder / f"{curve.id}.svg", buffer.getvalue())
        write_text(folder / f"{curve.id}.json", to_json(data, indent=1) + "\n")
        drawn[curve.id] = Drawn(curve.title, curve.caption, _inlined(buffer.getvalue(), curve))
    return drawn


def _inlined(text: str, curve: Curve) -> str:
    """The SVG element alone, its ids made unique, its ink that of the page, its name told."""
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{curve.id}-", svg)
    svg = svg.replace(INK, "currentColor")
    svg = re.sub(r'\b(?:width|height)="[\d.]+pt" ?', "", svg, count=2)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{curve.title}" ', 1)

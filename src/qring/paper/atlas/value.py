"""Statistics that are values of the aggregate: sums, norms, quantiles, entries."""

from __future__ import annotations

import math
from typing import Literal

from qring.paper.atlas.entry import Bound, Cost, Entry, Point, Regime, Rounds, Side
from qring.paper.claim import Standing
from qring.theory.resources import RingResources

__all__ = ["ENTRIES"]

_HOLEVO = "Holevo 1973"
_CAPACITY = "Bennett, Shor, Smolin and Thapliyal 2002 (entanglement-assisted capacity)"


def _ring(point: Point, kind: Literal["classical", "superdense"]) -> float:
    load = RingResources(
        workers=point.workers, coords=point.coords, word_bits=point.word_bits
    ).ledger(kind)
    return float(max(e.count for e in load if e.phase.value == "online"))


def _cut(point: Point) -> float:
    return float(point.coords * (point.workers * ((1 << point.word_bits) - 1)).bit_length())


def _precision(point: Point) -> float:
    return float(math.ceil(math.log2(1 / point.epsilon)))


def _subsets(point: Point) -> float:
    d, s = point.coords, point.top
    nats = math.lgamma(d + 1) - math.lgamma(s + 1) - math.lgamma(d - s + 1)
    return float(math.ceil(nats / math.log(2)))


def _held(formula: str, value: object, source: str) -> tuple[Cost, ...]:
    """Costs of a value that the server has computed: it says it, whatever carries it."""
    common = {"rounds": Rounds.ONE_WAY, "standing": Standing.EXACT}
    return (
        Cost(side=Side.CLASSICAL, bound=Bound.UPPER, formula=formula, value=value,  # type: ignore[arg-type]
             source=source, **common),  # type: ignore[arg-type]
        Cost(side=Side.CLASSICAL, bound=Bound.LOWER, formula=formula, value=value,  # type: ignore[arg-type]
             source="counting of messages", **common),  # type: ignore[arg-type]
        Cost(side=Side.QUANTUM, bound=Bound.UPPER, formula=f"({formula})/2",
             value=lambda point: math.ceil(value(point) / 2), resources="as many ebits",  # type: ignore[operator]
             source="superdense coding (Bennett and Wiesner 1992)", **common),  # type: ignore[arg-type]
        Cost(side=Side.QUANTUM, bound=Bound.LOWER, formula=f"({formula})/2",
             value=lambda point: math.ceil(value(point) / 2), resources="any entanglement",  # type: ignore[operator]
             source=_CAPACITY, **common),  # type: ignore[arg-type]
    )  # fmt: skip


ENTRIES = (
    Entry(
        id="sum",
        title="The sum",
        regime=Regime.VALUE,
        asked="All coordinates of Σ x_i, at every worker: the busiest link of a ring, a step.",
        advantage="A factor of two online, per link, setup excluded; none over the lifetime.",
        command="qring train --compare",
        costs=(
            Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.INTERACTIVE,
                 formula="2(n−1)/n · d·B/2 on two directions",
                 value=lambda p: _ring(p, "superdense"),
                 standing=Standing.EXACT, source="paper 3.2", resources="as many ebits"),
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.INTERACTIVE,
                 formula="2(n−1)/n · d·B on two directions", value=lambda p: _ring(p, "classical"),
                 standing=Standing.EXACT, source="Patarasuk and Yuan 2009: optimal among schedules "
                 "that forward items"),
            Cost(side=Side.CLASSICAL, bound=Bound.LOWER, rounds=Rounds.INTERACTIVE,
                 formula="d·B/2 a link of a cut of two", value=lambda p: _cut(p) / 2,
                 standing=Standing.BOUND, source="cut bound; loose by 2(n−1)/n"),
            Cost(side=Side.QUANTUM, bound=Bound.LOWER, rounds=Rounds.INTERACTIVE,
                 formula="d·B/4 a link of a cut of two", value=lambda p: _cut(p) / 4,
                 standing=Standing.BOUND, source=_CAPACITY, resources="any entanglement"),
        ),
    ),
    Entry(
        id="norm",
        title="Its length",
        regime=Regime.VALUE,
        asked="|g| to a relative ε; the server holds g.",
        advantage="None beyond the two bits of a dense-coded qubit: it is one short word.",
        costs=_held("log2(1/ε)", _precision, "the server computes it and says it"),
    ),
    Entry(
        id="quantile",
        title="A quantile",
        regime=Regime.VALUE,
        asked="The median of |g_i|, to a rank error of ε·d; the server holds g.",
        advantage="None beyond the two bits of a dense-coded qubit: it is one word.",
        costs=_held("b", lambda p: float(p.word_bits), "the server computes it and says it"),
    ),
    Entry(
        id="top",
        title="The largest coordinates",
        regime=Regime.VALUE,
        asked="Which s coordinates of g are largest; the server holds g.",
        advantage="A factor of two online, with entanglement: a set is a message.",
        costs=_held("log2 C(d, s)", _subsets, "the set's number in a list of all"),
    ),
)  # fmt: skip

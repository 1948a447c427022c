"""One run of fixed length with optimised reflection phases: the cheapest decision."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from qring.conflict.finding import Decision, Engine, Finding, check_task
from qring.conflict.phases import Design, cheapest
from qring.conflict.plane import acceptance

__all__ = ["AncillaFree"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AncillaFree:
    """Send the register across once for each pass, reflect by designed phases, measure it once.

    No ancilla travels, and worker 1 learns the decision. Worst-case error: exact, by the design.
    A single bit says little more than the side: the interval is the set of s that give this
    outcome with probability above the error. Source: docs/mathematics/conflict.md; quantum signal
    processing (Low and Chuang 2017).
    """

    name = "ancilla_free"

    def run(
        self, engine: Engine, *, margin: float, error: float, rng: np.random.Generator
    ) -> Finding:
        """Decide in one run.

        Raises:
            InputError: a margin outside (0, 1), an error outside (0, ½), or too many passes.
        """
        check_task(margin, error)
        design = cheapest(margin, error)
        accepted = engine.accepts(design.circuit, 1, rng) == 1
        return _finding(design, error, accepted)


@lru_cache(maxsize=128)
def _finding(design: Design, error: float, accepted: bool) -> Finding:
    s = np.linspace(-1, 1, 64 * design.circuit.passes + 513)
    likely = acceptance(design.circuit, s)
    if not accepted:
        likely = 1 - likely
    kept = np.flatnonzero(likely > error)
    return Finding(
        decision=Decision.ALIGNED if accepted else Decision.CONFLICTING,
        estimate=None,
        interval=(float(s[max(kept[0] - 1, 0)]), float(s[min(kept[-1] + 1, len(s) - 1)])),
        confidence=1 - error,
    )

"""The claim on the hierarchy of advantages: section 6, section 1."""

from __future__ import annotations

from qring.paper.atlas import ENTRIES
from qring.paper.atlas.entry import Entry, Point, Regime, Rounds, Side
from qring.paper.claim import Claim, Exact, Relation, Standing, Verdict

__all__ = ["CLAIMS"]

_LARGE = Point(coords=10**9)


def _entry(name: str) -> Entry:
    return next(entry for entry in ENTRIES if entry.id == name)


def _largest_of_values() -> float:
    """Bits over qubits, ebits allowed, of the value that gains most."""
    return max(
        entry.best(Side.CLASSICAL, _LARGE) / entry.best(Side.QUANTUM, _LARGE, assisted=True)
        for entry in ENTRIES
        if entry.regime is Regime.VALUE
    )


def _growth(name: str, rounds: Rounds | None = None) -> float:
    """Bits over qubits at d = 10⁹, over the same at 10⁵."""
    entry, small = _entry(name), Point(coords=10**5)
    return entry.ratio(_LARGE, rounds) / entry.ratio(small, rounds)


def _against_a_client_that_speaks() -> float:
    """Bits over qubits of tied pairs at d = 10⁹ where the client may name pairs."""
    entry = _entry("ties")
    bits = entry.best(Side.CLASSICAL, _LARGE, Rounds.INTERACTIVE)
    return bits / entry.best(Side.QUANTUM, _LARGE)


CLAIMS = (
    Claim(
        id="hierarchy",
        source="section 6; section 1",
        title="A hierarchy of advantages",
        says="Values of the aggregate gain a constant factor at most; certifying the process that "
        "produced it gains privacy that no classical protocol has; relations to private structure "
        "can gain exponentially.",
        checked="The atlas: bits over qubits of every statistic, both at their best, at d = 10⁵ "
        "and 10⁹.",
        standing=Standing.ASYMPTOTIC,
        verdict=Verdict.CORRECTED,
        corrected="The first two hold, the second also for quantum keys with one-time pads. Being "
        "a relation is not what makes the third: masks and few groups gain nothing, GapIP and "
        "overlap of masks are quadratic, and tied pairs gain exponentially only if the client "
        "may not speak. It is proven with messages both ways for subspaces in general position.",
        open_="For one client: a classical broadcast serves all. Adapters' subspaces lie between; "
        "no lower bound is known for them. The atlas gives all bounds with sources.",
        figures=(
            Exact(name="largest gain of a value, ebits allowed, bits over qubits",
                  measured=_largest_of_values, predicted=lambda: 2, paper=lambda: 2,
                  tolerance=1e-6),
            Exact(name="gain of a mask's share, bits over qubits",
                  measured=lambda: _entry("mask-energy").ratio(_LARGE), predicted=lambda: 1),
            Exact(name="growth of the gain of tied pairs from d = 10⁵ to 10⁹, one-way",
                  measured=lambda: _growth("ties", Rounds.ONE_WAY),
                  predicted=lambda: 50, relation=Relation.AT_LEAST,
                  standing=Standing.ASYMPTOTIC),
            Exact(name="gain of tied pairs where the client may speak, d = 10⁹",
                  measured=_against_a_client_that_speaks, predicted=lambda: 2.1,
                  relation=Relation.AT_MOST),
            Exact(name="gain of a codebook's 16 groups, bits over qubits",
                  measured=lambda: _entry("groups").ratio(_LARGE), predicted=lambda: 1,
                  relation=Relation.AT_MOST),
        ),
        see="qring atlas --coords 1e9",
    ),
)  # fmt: skip

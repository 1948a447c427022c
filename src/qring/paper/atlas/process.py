"""Statistics about how an aggregate came about: privacy of the sum, equality of replicas."""

from __future__ import annotations

import math

from qring.paper.atlas.entry import Bound, Cost, Entry, Point, Regime, Rounds, Side
from qring.paper.claim import Standing
from qring.theory.bills import Bill, Job, Protects, bills

__all__ = ["ENTRIES"]


def _bill(point: Point, protocol: str) -> Bill:
    job = Job(
        workers=point.workers, coords=point.coords, word_bits=point.word_bits, rounds=1,
        epsilon=point.secrecy,
    )  # fmt: skip
    return next(bill for bill in bills(job) if bill.protocol == protocol)


def _masks(point: Point) -> float:
    """Masks from tested copies: what hides words from coalitions with no gate between copies."""
    job = Job(
        workers=point.workers, coords=point.coords, word_bits=point.word_bits, rounds=1,
        epsilon=point.secrecy,
    )  # fmt: skip
    able = [bill for bill in bills(job) if bill.protects is Protects.COALITIONS]
    return float(min(b.qubits_sent for b in able if not (b.two_qubit or b.secret_bits)))


def _impossible(_: Point) -> None:
    return None


def _secret_bits(point: Point) -> float:
    return float(_bill(point, "secagg").online_bits)


def _parities(point: Point) -> float:
    return float(math.ceil(math.log2(1 / point.delta)))


def _private_coins(point: Point) -> float:
    """A prime of twice the bits of d·b/δ, and a remainder."""
    return float(2 * math.ceil(math.log2(point.coords * point.word_bits / point.delta)) + 2)


ENTRIES = (
    Entry(
        id="private-sum",
        title="A sum that tells nothing else",
        regime=Regime.PROCESS,
        asked="The sum, ε-private for the round against all workers but two, every channel tapped: "
        "carriers of setup and online phase together, all links.",
        advantage="Possible at all without a secret shared beforehand; but quantum keys with "
        "one-time pads, on the same channels, do the same. The paper compares with classical only.",
        command="qring privacy",
        costs=(
            Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.INTERACTIVE,
                 formula="masks from tested GHZ copies: (n−1)·copies",
                 value=_masks, standing=Standing.BOUND,
                 source="ours, after Barnum et al. 2002", resources="authenticated channels"),
            Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.INTERACTIVE,
                 formula="quantum keys on all pairs, one-time pads",
                 value=lambda p: float(_bill(p, "QKD + one-time pads, complete graph").qubits_sent),
                 standing=Standing.BOUND, source="Bennett and Brassard 1984; finite keys",
                 resources="authenticated channels"),
            Cost(side=Side.CLASSICAL, bound=Bound.LOWER, rounds=Rounds.INTERACTIVE,
                 formula="impossible, at any cost", value=_impossible, standing=Standing.BOUND,
                 source="theorem 2; Maurer 1993", resources="authenticated channels"),
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.INTERACTIVE,
                 formula="2·d·B bits; hidden only from who cannot break X25519",
                 value=_secret_bits, standing=Standing.EXACT,
                 source="Bonawitz et al. 2017", resources="a hardness assumption",
                 comparable=False),
        ),
    ),
    Entry(
        id="equality",
        title="Are two replicas equal?",
        regime=Regime.PROCESS,
        asked="Whether two workers hold the same d words, wrong with probability at most δ.",
        advantage="None for two who talk: log2(1/δ) shared-coin parities. Quantum fingerprints win "
        "exponentially only if both write to a third party and share nothing (√d bits).",
        costs=(
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="⌈log2(1/δ)⌉", value=_parities, standing=Standing.EXACT,
                 source="random parities", resources="shared random bits"),
            Cost(side=Side.CLASSICAL, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="2·⌈log2(d·b/δ)⌉ + 2", value=_private_coins, standing=Standing.BOUND,
                 source="remainders by a random prime (Rabin and Yao 1979)"),
            Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="⌈log2(1/δ)⌉/2, dense-coded",
                 value=lambda p: math.ceil(_parities(p) / 2), standing=Standing.EXACT,
                 source="the classical protocol", resources="shared random bits, ebits"),
            Cost(side=Side.QUANTUM, bound=Bound.UPPER, rounds=Rounds.ONE_WAY,
                 formula="about log2(d·b)·log2(1/δ), to a third party",
                 value=lambda p: math.log2(p.coords * p.word_bits) * _parities(p),
                 standing=Standing.ASYMPTOTIC,
                 source="Buhrman, Cleve, Watrous and de Wolf 2001; classical Θ(√d) there: Newman "
                 "and Szegedy 1996", comparable=False),
            Cost(side=Side.CLASSICAL, bound=Bound.LOWER, rounds=Rounds.INTERACTIVE,
                 formula="log2(1/δ) − 1", value=lambda p: max(0.0, _parities(p) - 1),
                 standing=Standing.BOUND, source="counting of answers",
                 resources="shared random bits"),
        ),
    ),
)  # fmt: skip

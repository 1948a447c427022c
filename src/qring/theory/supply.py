"""Entanglement on the clock: waiting, storing, break-even and ages, in closed form.

Symbols: a step computes for T_c and then uses Q pairs on a link; R_e pairs are made a second, M fit
into memory, a pair lives for t_cut; R_q qubits cross a second. All in seconds and pairs. Means of a
steady state, exact for regular births and in the limit of many pairs for random ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qring.errors import InputError

__all__ = [
    "BreakEven", "Buffered", "Step", "break_even", "buffered", "ghz_hashing_yield",
    "heralded_rate", "purifying_late_gains", "useful_lifetimes",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of training on one link.

    ``pairs`` Q, ``pairs_per_s`` R_e, ``qubits_per_s`` R_q, ``compute_s`` T_c, ``memory_pairs`` M,
    ``cutoff_s`` t_cut; ``rounds`` of ``latency_s`` each, ``resends`` of ``answer_s`` each a round.
    Standing: exact for regular births, asymptotic in Q for random ones.

    Raises:
        InputError: figures that cannot be.
    """

    pairs: float
    pairs_per_s: float
    qubits_per_s: float = math.inf
    compute_s: float = 0.0
    memory_pairs: float = math.inf
    cutoff_s: float = math.inf
    rounds: int = 0
    latency_s: float = 0.0
    resends: float = 0.0
    answer_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("pairs_per_s", "qubits_per_s"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is positive, not {getattr(self, name)}")
        for name in ("pairs", "compute_s", "memory_pairs", "cutoff_s", "latency_s", "resends"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} is at least 0, not {getattr(self, name)}")

    @property
    def stored_pairs(self) -> float:
        """Held when computing ends, if nothing was before: B0 = min(M, R_e·min(T_c, t_cut))."""
        waited = min(self.compute_s, self.cutoff_s)
        made = self.pairs_per_s * waited if waited else 0.0
        return min(self.memory_pairs, made)

    @property
    def sending_s(self) -> float:
        """Time for Q qubits to cross."""
        return self.pairs / self.qubits_per_s

    @property
    def online_s(self) -> float:
        """T_on = max(Q/R_q, (Q − B0)/R_e) + rounds·(latency + resends·answer)."""
        missing = max(0.0, self.pairs - self.stored_pairs)
        waits = missing / self.pairs_per_s
        return max(self.sending_s, waits) + self.rounds * (
            self.latency_s + self.resends * self.answer_s
        )

    @property
    def waiting_s(self) -> float:
        """Of that, what pairs are waited for."""
        missing = max(0.0, self.pairs - self.stored_pairs)
        return max(0.0, missing / self.pairs_per_s - self.sending_s)

    @property
    def needed_rate(self) -> float:
        """Least R_e at which nothing is waited for, with memory enough: Q/(T_c + Q/R_q)."""
        whole = self.compute_s + self.sending_s
        return self.pairs / whole if whole else math.inf

    @property
    def needed_memory(self) -> float:
        """Least M for that, at this R_e: Q·(1 − R_e/R_q), or 0."""
        if self.qubits_per_s == math.inf:
            return self.pairs
        return max(0.0, self.pairs * (1 - self.pairs_per_s / self.qubits_per_s))

    @property
    def lead_s(self) -> float:
        """Time before a known barrier at which to start, as late as can be: M*/R_e."""
        return self.needed_memory / self.pairs_per_s

    @property
    def least_mean_age_s(self) -> float:
        """Mean age at use of the freshest pairs that need no waiting: Q/2·(1/R_e − 1/R_q), or 0.

        Which pairs are used sets the mean, not their order: order only moves the spread.
        """
        return max(0.0, self.pairs / 2 * (1 / self.pairs_per_s - 1 / self.qubits_per_s))

    def mean_age_s(self, memory_pairs: float) -> float:
        """Mean age at use, oldest first, of a memory that is full at the barrier and overwrites.

        M/R_e − Q/2·(1/R_e − 1/R_q), for memories that need not be waited for.

        Raises:
            InputError: a memory that is waited for, or that is not full by then.
        """
        if memory_pairs < self.needed_memory:
            raise InputError(
                f"{memory_pairs:g} pairs run out: it takes {self.needed_memory:g} to wait for none"
            )
        return memory_pairs / self.pairs_per_s - self.least_mean_age_s


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """Least hardware whose online time equals that of a classical link."""

    qubits_per_s: float
    pairs_per_s: float
    memory_pairs: float
    lifetime_s: float


def break_even(
    *, bits: float, bits_per_qubit: float, bits_per_s: float, compute_s: float,
    lifetimes_useful: float = 0.277,
) -> BreakEven:  # fmt: skip
    """R_q* = β/η, R_e* = Q/(T_c + V/β), M* = Q − R_e*·V/β, and the lifetime τ* that keeps pairs.

    ``bits`` V a step and directed link, ``bits_per_qubit`` η, ``bits_per_s`` β. The oldest pair
    waits for T_c, and pairs are useful for ``lifetimes_useful`` of their τ. Standing: exact without
    latencies.

    Raises:
        InputError: figures that are not positive.
    """
    for name, value in (("bits", bits), ("bits_per_qubit", bits_per_qubit),
                        ("bits_per_s", bits_per_s)):  # fmt: skip
        if not value > 0:
            raise InputError(f"{name} is positive, not {value}")
    pairs, sending = bits / bits_per_qubit, bits / bits_per_s
    rate = pairs / (compute_s + sending)
    return BreakEven(
        qubits_per_s=bits_per_s / bits_per_qubit, pairs_per_s=rate,
        memory_pairs=pairs - rate * sending, lifetime_s=compute_s / lifetimes_useful,
    )  # fmt: skip


def useful_lifetimes(fidelity: float, least: float = 0.810710) -> float:
    """Age in lifetimes at which a Werner pair falls to ``least``: ln((F0−¼)/(F−¼)). Exact."""
    return max(0.0, math.log((fidelity - 0.25) / (least - 0.25))) if fidelity > 0.25 else 0.0


def heralded_rate(
    *, fibre_km: float, efficiency: float, memories: int = 1, trips: float = 4.0,
    loss_db_per_km: float = 0.2, fibre_km_per_s: float = 2e5,
) -> float:  # fmt: skip
    """Pairs a second of two photons that meet half way: m·½·(η·10^(−αL/20))²·c/(trips·L).

    ``efficiency`` is that of memory and detector together. Standing: exact for this protocol.
    """
    arrives = efficiency * 10 ** (-loss_db_per_km * fibre_km / 20)
    return memories * arrives**2 / 2 * fibre_km_per_s / (trips * fibre_km)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffered:
    """A buffer of one pair under random demand: how often it serves, and how well."""

    availability: float
    fidelity: float


def buffered(
    *, pairs_per_s: float, demands_per_s: float, decay_per_s: float, fidelity: float,
    purify_share: float = 0.0, success_at: tuple[float, float] = (1.0, 0.0),
    result_at: tuple[float, float] = (0.0, 1.0),
) -> Buffered:  # fmt: skip
    """Availability A and mean consumed fidelity F̄ of one good memory that holds one pair.

    The stored fidelity F decays to ¼ at ``decay_per_s``; a pair born meanwhile purifies it with
    probability q: success s0 + s1·F, result (r0 + r1·F)/success. Two balances close, of the
    probability that a pair is stored and of its mean F − ¼, since success and success·result are
    linear in F. Standing: exact. Model: Davies, Iñesta and Wehner, arXiv 2311.10052; this linear
    system is our own derivation.
    """
    made, asked, q = pairs_per_s, demands_per_s, purify_share
    (s0, s1), (r0, r1) = success_at, result_at
    start = fidelity - 0.25
    # With a = P(stored) and m = E[(F − ¼); stored]:
    #   made·(1−a) = asked·a + made·q·((1 − s0 − s1/4)·a − s1·m)
    #   made·(1−a)·start + made·q·((r0 + r1/4 − (s0 + s1/4)/4)·a + (r1 − s1/4)·m)
    #       = (decay + asked + made·q)·m
    lost = 1 - s0 - s1 / 4
    aa, am, ab = made + asked + made * q * lost, -made * q * s1, made
    gain = r0 + r1 / 4 - (s0 + s1 / 4) / 4
    ma = made * start - made * q * gain
    mm = decay_per_s + asked + made * q - made * q * (r1 - s1 / 4)
    mb = made * start
    determinant = aa * mm - am * ma
    available = (ab * mm - am * mb) / determinant
    above = (aa * mb - ma * ab) / determinant
    return Buffered(availability=available, fidelity=0.25 + above / available)


def purifying_late_gains(fidelity: float, lifetimes: float) -> float:
    """Fidelity won by purifying two Werner pairs when they are used rather than when they are born.

    Both wait for ``lifetimes`` in any case; recurrence of BBPSSW. Good pairs should be purified
    late, as errors of waiting are then purified, too; poor ones early, while purifying still gains
    something: the sign changes. Standing: exact.
    """

    def aged(value: float) -> float:
        return 0.25 + (value - 0.25) * math.exp(-lifetimes)

    return _purified(aged(fidelity)) - aged(_purified(fidelity))


def ghz_hashing_yield(phase_flip: float, bit_flips: tuple[float, ...]) -> float:
    """Perfect GHZ states a noisy one by hashing: 1 − h(phase) − max_j h(bit_j), or 0.

    ``bit_flips`` are those of each qubit against the first, independent of one another and of the
    phase. Standing: asymptotic rate. Source: Maneva and Smolin (2000), quant-ph/0003099.
    """
    worst = max((_entropy(flip) for flip in bit_flips), default=0.0)
    return max(0.0, 1 - _entropy(phase_flip) - worst)


def _purified(fidelity: float) -> float:
    wrong = (1 - fidelity) / 3
    return (fidelity**2 + wrong**2) / (fidelity**2 + 2 * fidelity * wrong + 5 * wrong**2)


def _entropy(p: float) -> float:
    return -sum(q * math.log2(q) for q in (p, 1 - p) if q > 0)

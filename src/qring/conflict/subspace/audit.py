"""The verb: what share of the server's vector lies in a client's private subspace?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.conflict import binomial
from qring.conflict.phase_state import state_qubits
from qring.conflict.signs import Signs
from qring.conflict.subspace.span import Dense, PairSpan, Parity, Subspace, squared
from qring.errors import InputError
from qring.ledger import Carrier, Ledger
from qring.network.network import Network
from qring.network.noise import NOISELESS, BellDiagonal
from qring.validate import check_instance, check_rng, check_whole

__all__ = [
    "Conditional",
    "Mixing",
    "SubspaceAudit",
    "conditional_audit",
    "drawn_inside",
    "share",
    "subspace_audit",
]


_BLOCK = 1 << 16  # copies that are drawn at once


@dataclass(frozen=True, slots=True, kw_only=True)
class SubspaceAudit:
    """Outcome of one audit, and what it took.

    ``fraction`` estimates f = |P·g|²/|g|²; ``interval`` holds it with probability at least
    ``confidence``, exactly. ``hits`` of ``copies`` were found inside. Under noise the fraction is
    corrected and unbiased, and may leave [0, 1]. The ledger has the server as node 0, the client
    as node 1.
    """

    fraction: float
    interval: tuple[float, float]
    confidence: float
    copies: int
    hits: int
    qubits: int
    ledger: Ledger
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """A second question, asked of the copies that were found inside the first subspace.

    ``fraction`` estimates |P₂P₁g|²/|P₁g|² from ``hits`` such copies, of which ``again`` were
    found inside the second subspace; None where there was none. ``first`` is the audit before.
    """

    fraction: float | None
    interval: tuple[float, float]
    confidence: float
    hits: int
    again: int
    first: SubspaceAudit


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixing:
    """P(inside) = ``offset`` + ``slope``·f for a copy under noise.

    Server and client share a random Clifford unitary a copy, applied before sending and undone
    after: an error, of probability η a copy, then becomes a uniformly random other Pauli string of
    D² − 1, and P(inside | error) = (D·k − f)/(D² − 1), D = 2^q.
    """

    offset: float = 0.0
    slope: float = 1.0

    @classmethod
    def of(cls, noise: BellDiagonal, qubits: int, dimension: int) -> Mixing:
        """For errors that fall on each qubit on its own.

        Raises:
            InputError: noise that leaves nothing to correct.
        """
        size = 2.0**qubits
        failed = 1 - (1 - noise.error_probability) ** qubits
        slope = 1 - failed - failed / (size**2 - 1)
        if slope <= 0:
            raise InputError(
                f"at an error probability of {noise.error_probability:g} a qubit hardly any copy "
                f"of {qubits} qubits arrives whole; lower the noise"
            )
        return cls(offset=failed * size * dimension / (size**2 - 1), slope=slope)

    def undo(self, inside: float) -> float:
        """The share f that makes copies be found inside with this probability."""
        return (inside - self.offset) / self.slope


def share(vector: NDArray[Any], subspace: Subspace) -> float:
    """F = |P·v|²/|v|², to rounding.

    Raises:
        InputError: a vector of zeros, or one that is not finite.
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        norm = squared(vector)
        inside = subspace.energy(vector)
    if not (np.isfinite(norm) and np.isfinite(inside) and norm > 1e-30):
        vector = _rescaled(vector)
        norm, inside = squared(vector), subspace.energy(vector)
    return min(1.0, max(0.0, inside / norm))


def subspace_audit(
    gradient: ArrayLike | Signs,
    subspace: Subspace,
    *,
    epsilon: float,
    delta: float,
    rng: np.random.Generator,
    noise: BellDiagonal = NOISELESS,
) -> SubspaceAudit:
    """Estimate the share of ``gradient`` inside ``subspace`` within ε, but with δ.

    m copies of Σ g_i|i⟩/|g| travel, one message; the client measures {P, 1 − P} on each. m comes
    from the exact binomial law, for the worst share.

    Args:
        gradient: the server's vector, shape (d,), or signs by rule where the subspace is of pairs:
            then a copy is drawn in a time that does not depend on d.
        subspace: the client's, of the same d.
        epsilon: accuracy of the share, in (0, 1).
        delta: probability of a larger error, in (0, 1).
        rng: source of the measurements' outcomes.
        noise: probabilities of X, Y and Z on each qubit sent; see :class:`Mixing`.

    Raises:
        InputError: vectors of zeros, not finite or of another size, ε or δ outside.

    Source: Klartag and Regev (STOC 2011) for the separation; ours as an audit.
    """
    check_rng(rng)
    check_instance("noise", noise, BellDiagonal, "BellDiagonal.depolarising(...)")
    binomial.check_accuracy(epsilon, delta)
    coords = _coords(gradient)
    if coords != subspace.coords:
        raise InputError(
            f"the subspace has {subspace.coords} coordinates, but the gradient {coords}"
        )
    qubits = state_qubits(coords)
    mixing = Mixing.of(noise, qubits, subspace.dimension)
    copies = binomial.sample_size(epsilon * mixing.slope, delta)
    if isinstance(gradient, np.ndarray | list | tuple):
        f = share(_vector(gradient), subspace)
        hits = int(rng.binomial(copies, mixing.offset + mixing.slope * f))
    else:
        hits = drawn_inside(gradient, subspace, copies, mixing, rng)  # type: ignore[arg-type]
    return _outcome(hits, copies, qubits, mixing, delta, subspace, rng)


def conditional_audit(
    gradient: ArrayLike,
    first: Subspace,
    second: Subspace,
    *,
    copies: int,
    delta: float,
    rng: np.random.Generator,
) -> Conditional:
    """Ask ``copies`` copies whether they are inside ``first``, and those that are about ``second``.

    A copy found inside is left in the state of P₁g, so that the client may ask on; noiseless.

    Raises:
        InputError: as :func:`subspace_audit`; sizes that differ, no copies.
    """
    check_rng(rng)
    check_whole("copies", copies, least=1)
    binomial.check_accuracy(0.5, delta)
    vector = _vector(gradient)
    if not len(vector) == first.coords == second.coords:
        raise InputError(
            f"gradient and subspaces have {len(vector)}, {first.coords} and {second.coords} "
            "coordinates; they must be one number"
        )
    f = share(vector, first)
    hits = int(rng.binomial(copies, f))
    audit = _outcome(hits, copies, state_qubits(len(vector)), Mixing(), delta, first, rng)
    again = int(rng.binomial(hits, share(first.project(vector), second))) if hits else 0
    return Conditional(
        fraction=again / hits if hits else None,
        interval=binomial.interval(again, hits, delta),
        confidence=1 - delta,
        hits=hits,
        again=again,
        first=audit,
    )


def _outcome(
    hits: int,
    copies: int,
    qubits: int,
    mixing: Mixing,
    delta: float,
    subspace: Subspace,
    rng: np.random.Generator,
) -> SubspaceAudit:
    run = Network().open(2, rng)
    run.wire(0, 1).send(Carrier.QUBIT, copies * qubits)
    run.end_rounds()
    low, high = (mixing.undo(end) for end in binomial.interval(hits, copies, delta))
    caveats = []
    if isinstance(subspace, Dense) and subspace.orthonormalised:
        caveats.append("the basis was not orthonormal; the audit is of the span of its rows")
    return SubspaceAudit(
        fraction=mixing.undo(hits / copies),
        interval=(max(0.0, low), min(1.0, high)),
        confidence=1 - delta,
        copies=copies,
        hits=hits,
        qubits=copies * qubits,
        ledger=run.ledger(),
        caveats=tuple(caveats),
    )


def drawn_inside(
    signs: Signs, subspace: Subspace, copies: int, mixing: Mixing, rng: np.random.Generator
) -> int:
    """Copies found inside a span of pairs, each by the one pair it falls on."""
    if not isinstance(subspace, PairSpan):
        raise InputError("signs by rule are audited against pairs only; give an array of values")
    hits = 0
    for start in range(0, copies, _BLOCK):  # blocks that stay in the cache
        source = rng.integers(signs.coords, size=min(_BLOCK, copies - start))
        partner = subspace.pairs.partner(source)
        differs = signs.negative(source) ^ signs.negative(np.maximum(partner, 0))
        inside = (partner >= 0) & (differs if subspace.parity is Parity.ODD else ~differs)
        if mixing == Mixing():
            hits += int(np.count_nonzero(inside))
        else:
            told = rng.random(len(inside)) < mixing.offset + mixing.slope * inside
            hits += int(np.count_nonzero(told))
    return hits


def _coords(gradient: ArrayLike | Signs) -> int:
    if isinstance(gradient, np.ndarray | list | tuple):
        return len(np.asarray(gradient))
    return int(gradient.coords)  # type: ignore[union-attr]


def _vector(values: ArrayLike) -> NDArray[Any]:
    vector: NDArray[Any] = np.asarray(values)
    if vector.ndim != 1 or not len(vector):
        raise InputError(f"a gradient must have shape (d,) with d at least 1, not {vector.shape}")
    if vector.dtype in (np.float32, np.float64):
        return vector
    if vector.dtype.kind not in "biuf" and vector.dtype.name != "bfloat16":
        raise InputError(f"the gradient holds {vector.dtype.name}; real numbers are needed")
    return vector.astype(np.float64)


def _rescaled(vector: NDArray[Any]) -> NDArray[np.float64]:
    """The vector over its largest entry; says what is wrong where it has no direction."""
    bad = np.flatnonzero(~np.isfinite(vector))
    if len(bad):
        raise InputError(
            f"the gradient holds {vector[bad[0]]} at coordinate {bad[0]}; only finite values have "
            "a direction"
        )
    largest = float(np.abs(vector).max())
    if largest == 0:
        raise InputError("the gradient is all zeros and has no direction; skip this audit")
    return np.asarray(vector.astype(np.float64) / largest)

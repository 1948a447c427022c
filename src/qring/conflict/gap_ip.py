"""The verb: do two workers' gradients align or conflict, and what does it cost to find out?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.conflict.courier import Courier
from qring.conflict.finding import Decision, Engine, Strategy, check_task
from qring.conflict.plane import Plane
from qring.conflict.register import Register
from qring.conflict.strategies.ancilla_free import AncillaFree
from qring.errors import InputError
from qring.ledger import Carrier, Ledger, Phase
from qring.network.network import Network
from qring.validate import check_able, check_enum, check_rng

__all__ = ["GapIP", "Simulation", "gap_ip", "inner_product", "register_qubits"]

_BLOCK_BYTES = 1 << 21  # summed in the vectors' own type before float64 takes over


class Simulation(str, Enum):
    """Simulation of GapIP: in the plane of the two vectors, or on the whole state vector."""

    PLANE = "plane"
    REGISTER = "register"


@dataclass(frozen=True, slots=True, kw_only=True)
class GapIP:
    """Outcome of one GapIP, and what it took.

    ``interval`` holds the inner product of the unit vectors with probability at least
    ``confidence``; ``estimate`` is the likeliest one, None where a strategy tells a side only.
    ``passes`` are one-way transfers of the register, ``round_trips``
    pairs of them, started or completed. ``ledger`` counts qubits online on links 0→1 and 1→0,
    and one classical bit a run where a strategy adapts.
    """

    decision: Decision
    estimate: float | None
    interval: tuple[float, float]
    confidence: float
    passes: int
    qubits: int
    round_trips: int
    strategy: str
    ledger: Ledger
    caveats: tuple[str, ...] = ()


def gap_ip(
    u: ArrayLike,
    v: ArrayLike,
    *,
    margin: float,
    error: float,
    rng: np.random.Generator,
    strategy: Strategy | None = None,
    simulation: Simulation = Simulation.PLANE,
) -> GapIP:
    """Decide whether ⟨u, v⟩/(|u||v|) is at least ``margin`` or at most −``margin``.

    Args:
        u: worker 0's vector, shape (d,), of any length but zero; it is normalised.
        v: worker 1's vector, of the same shape.
        margin: τ in (0, 1); between −τ and τ either decision may come.
        error: probability of a wrong decision, in (0, ½), whatever the vectors.
        rng: source of the measurements' outcomes.
        strategy: how to read the angle; :class:`AncillaFree` unless said otherwise.
        simulation: in closed form, or on the state vector; both follow the same law.

    Raises:
        InputError: vectors that are not (d,), zero or not finite, or a margin or error outside.

    Source: paper section 5.2, theorem 4, appendix D.
    """
    check_task(margin, error)
    check_rng(rng)
    check_enum("simulation", simulation, Simulation)
    if strategy is not None:
        check_able("strategy", strategy, ("run", "name"), "a strategy such as AncillaFree()")
    first, second = _vector(u, "u"), _vector(v, "v")
    if first.shape != second.shape:
        raise InputError(
            f"u has {len(first)} coordinates and v has {len(second)}; both workers hold one each"
        )
    run = Network().open(2, rng)
    courier = Courier(register_qubits(len(first)), run)
    cosine, _ = inner_product(first, second)
    engine: Engine
    if simulation is Simulation.PLANE:
        engine = Plane(cosine, courier)
    else:
        engine = Register(_unit(first), _unit(second), courier)
    chosen = strategy if strategy is not None else AncillaFree()
    found = chosen.run(engine, margin=margin, error=error, rng=rng)
    ledger = run.ledger()
    return GapIP(
        decision=found.decision,
        estimate=found.estimate,
        interval=found.interval,
        confidence=found.confidence,
        passes=courier.passes,
        qubits=sum(ledger.on(k, 1 - k, Phase.ONLINE, Carrier.QUBIT) for k in (0, 1)),
        round_trips=ledger.rounds,
        strategy=chosen.name,
        ledger=ledger,
        caveats=found.caveats,
    )


def register_qubits(coords: int) -> int:
    """Qubits that hold ``coords`` amplitudes and the reference: ⌈log2(d+1)⌉."""
    return coords.bit_length()


def inner_product(u: NDArray[Any], v: NDArray[Any]) -> tuple[float, tuple[float, float]]:
    """Inner product of the unit vectors along ``u`` and ``v``, and both lengths.

    Blocks are summed in the vectors' type, and their sums in float64.

    Raises:
        InputError: a vector of zeros, or with a NaN or infinity.
    """
    cross = squares_u = squares_v = 0.0
    block = _BLOCK_BYTES // u.itemsize
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(u), block):
            x, y = u[start : start + block], v[start : start + block]
            cross += float(np.dot(x, y))
            squares_u += float(np.dot(x, x))
            squares_v += float(np.dot(y, y))
    if not (_usable(squares_u, u.dtype) and _usable(squares_v, v.dtype)):
        return _rescaled(u, v)
    cosine = cross / math.sqrt(squares_u) / math.sqrt(squares_v)
    return max(-1.0, min(1.0, cosine)), (math.sqrt(squares_u), math.sqrt(squares_v))


def _usable(squares: float, dtype: np.dtype[Any]) -> bool:
    """Whether a sum of squares neither overflowed nor lost its small terms."""
    low, high = _limits(dtype)
    return low < squares < high


@lru_cache(maxsize=8)
def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    limits = np.finfo(dtype)
    return float(limits.tiny) / float(limits.eps), float(limits.max)


def _rescaled(u: NDArray[Any], v: NDArray[Any]) -> tuple[float, tuple[float, float]]:
    """The same for vectors whose squares leave the range of their type; finds what is wrong."""
    units, lengths = [], []
    for name, vector in (("u", u), ("v", v)):
        bad = np.flatnonzero(~np.isfinite(vector))
        if len(bad):
            raise InputError(
                f"{name} holds {vector[bad[0]]} at coordinate {bad[0]}; "
                "only finite values have a direction"
            )
        largest = float(np.abs(vector).max())
        if largest == 0:
            raise InputError(f"{name} is all zeros and has no direction; skip this pair")
        scaled = vector.astype(np.float64) / largest
        norm = math.sqrt(float(np.dot(scaled, scaled)))
        units.append(scaled / norm)
        lengths.append(largest * norm)
    cosine = float(np.dot(units[0], units[1]))
    return max(-1.0, min(1.0, cosine)), (lengths[0], lengths[1])


def _unit(vector: NDArray[Any]) -> NDArray[Any]:
    """``vector`` over its length, in its own type; its largest entry goes first."""
    scaled = vector / np.abs(vector).max()
    return np.asarray(scaled / scaled.dtype.type(math.sqrt(float(np.dot(scaled, scaled)))))


def _vector(values: ArrayLike, name: str) -> NDArray[Any]:
    """``values`` as float32 or float64 of shape (d,).

    Raises:
        InputError: another shape, no coordinates, or not real numbers.
    """
    try:
        vector = np.asarray(values)
    except ValueError:
        raise InputError(f"{name} is not a vector of numbers") from None
    if vector.ndim != 1 or not len(vector):
        raise InputError(f"{name} must have shape (d,) with d at least 1, not {vector.shape}")
    if vector.dtype in (np.float32, np.float64):
        return vector
    if vector.dtype.kind not in "biuf" and vector.dtype.name != "bfloat16":
        raise InputError(f"{name} holds {vector.dtype.name}; real numbers are needed")
    return vector.astype(np.float64)

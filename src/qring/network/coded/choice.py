"""The code that carries a message over pairs of a given law with the fewest online carriers.

A message becomes full frames of the cheapest code and a remainder in whatever is cheapest for its
length; where no code beats one classical bit a bit, plain bits go instead. Cost counts qubits,
plain bits, parity, checks, the retransmissions to expect and the acknowledgements.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qring.encoding.codes.bch_polynomial import redundancy
from qring.errors import InputError
from qring.network.coded import bch_frames
from qring.network.coded.bch_frames import BchShape
from qring.network.coded.calibration import LIFTS, Measured, measurements
from qring.network.coded.check import CHECK_BITS
from qring.network.coded.coding import Code, Coding, Emulation
from qring.network.coded.ldpc_frames import pairs_sent
from qring.network.coded.pairs import law_of
from qring.network.noise import BellDiagonal

__all__ = [
    "DIGEST_BYTES", "Plan", "Segment", "Shape", "check_reach", "least_ldpc", "plan",
    "werner_equivalent",
]  # fmt: skip

DIGEST_BYTES = 8
"""Of the keyed hash that goes with every coded message."""

_DEGREES = range(6, 14)
_PARITY_SHARE = 0.6  # of a BCH frame, beyond which no code of use is left


Shape = BchShape | Measured | None
"""A code's frame, or None for plain bits."""


@dataclass(frozen=True, slots=True)
class Segment:
    """``frames`` frames of one shape, each of ``held`` bytes of the message."""

    shape: Shape
    frames: int
    held: int

    @property
    def bytes(self) -> int:
        """Bytes it holds, padding included."""
        return self.frames * self.held


@dataclass(frozen=True, slots=True)
class Plan:
    """Segments that a message travels in. Without any it goes as plain bits, without a digest."""

    segments: tuple[Segment, ...]

    @property
    def frames(self) -> int:
        """Coded frames of the message, before retransmissions."""
        return sum(part.frames for part in self.segments if part.shape is not None)


@functools.lru_cache(maxsize=4096)
def plan(size: int, noise: BellDiagonal, code: Code, emulation: Emulation) -> Plan:
    """Plan for a message of ``size`` bytes over pairs with this noise."""
    shapes = _shapes(noise, code, emulation)
    whole = size + DIGEST_BYTES
    best = min(shapes, key=lambda pair: pair[1] / _held(pair[0]), default=None)
    if best is None:
        return Plan(())
    shape, cost = best
    held = _held(shape)
    full = [Segment(shape, whole // held, held)] if whole >= held else []
    spent = sum(part.frames * cost for part in full)
    rest = whole - sum(part.bytes for part in full)
    if rest:
        last, price = _remainder(rest, shapes, noise)
        full.append(last)
        spent += price
    if spent >= 8 * size or all(part.shape is None for part in full):
        return Plan(())
    return Plan(tuple(full))


def check_reach(noise: BellDiagonal, coding: Coding) -> None:
    """Refuse a code, asked for by name, that carries nothing over pairs with this noise.

    ``AUTO`` reaches everything, by plain bits.

    Raises:
        InputError: no code of the kind beats a classical bit a bit.
    """
    if coding.code is Code.AUTO or noise.error_probability == 0 or coding.adaptive:
        return
    if not _shapes(noise, coding.code, coding.emulation):
        raise InputError(
            f"no {coding.code.value} code beats classical bits over pairs of fidelity "
            f"{noise.fidelity:.4g}: use code auto, which sends plain bits there, or better pairs"
        )


def least_ldpc(fidelity: float, lift: int) -> Measured | None:
    """The shipped LDPC code of fewest parity rows that serves pairs of this fidelity."""
    fit = [m for m in measurements() if m.lift == lift and m.fidelity <= fidelity]
    return min(fit, key=lambda m: m.rows, default=None)


@functools.lru_cache(maxsize=256)
def werner_equivalent(noise: BellDiagonal) -> float:
    """Fidelity of the Werner pairs that have this noise's capacity."""
    wanted = _entropy(noise)
    low, high = 0.25, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        more = _entropy(BellDiagonal.werner(middle)) > wanted
        low, high = (middle, high) if more else (low, middle)
    return high


@functools.lru_cache(maxsize=256)
def _shapes(
    noise: BellDiagonal, code: Code, emulation: Emulation
) -> tuple[tuple[BchShape | Measured, float], ...]:
    """Full frames that may be used, each with the carriers it takes on average."""
    found: list[tuple[BchShape | Measured, float]] = []
    if code is not Code.LDPC:
        law = law_of(noise)
        found.extend(
            (shape, _bch_cost(shape, law)) for shape in _bch_shapes(law) if shape is not None
        )
    if code is not Code.BCH and emulation is not Emulation.SAMPLED:
        fidelity = werner_equivalent(noise)
        fit = (least_ldpc(fidelity, lift) for lift in LIFTS)
        found.extend((m, _ldpc_cost(m)) for m in fit if m is not None)
    return tuple((shape, cost) for shape, cost in found if cost < 8 * _held(shape))


def _held(shape: BchShape | Measured) -> int:
    if isinstance(shape, BchShape):
        return shape.held
    return (shape.code.information_bits - CHECK_BITS) // 8


def _ldpc_cost(shape: Measured) -> float:
    mean = pairs_sent(shape.code, shape.frames, shape.lost) / shape.frames
    return mean + sum(shape.lost) / shape.frames + 1


def _bch_cost(shape: BchShape, law: NDArray[np.float64]) -> float:
    lost = bch_frames.loss(shape, law)
    return (shape.pairs + 1) / (1 - lost) if lost < 1 else math.inf


def _bch_shapes(law: NDArray[np.float64]) -> list[BchShape | None]:
    return [_best_bch(degree, None, law) for degree in _DEGREES]


def _best_bch(degree: int, held: int | None, law: NDArray[np.float64]) -> BchShape | None:
    """The number of corrected errors that costs least, for full frames or ``held`` bytes."""
    order = (1 << degree) - 1
    best: tuple[float, BchShape] | None = None
    bits = order if held is None else 8 * (held + 4)
    corrects = int(bits / 2 * (law[1] + law[2] + 2 * law[3]))  # flips to expect; fewer do not do
    while True:
        corrects += 1
        parity = redundancy(degree, corrects)
        most = (order - parity) // 8 - 4
        if parity > _PARITY_SHARE * order or most < (held or 1):
            break
        shape = BchShape(degree, corrects, held or most)
        price = _bch_cost(shape, law) / shape.held
        if best is None or price < best[0]:
            best = (price, shape)
        elif price > 1.2 * best[0]:
            break
    return best[1] if best else None


def _remainder(
    rest: int, shapes: tuple[tuple[BchShape | Measured, float], ...], noise: BellDiagonal
) -> tuple[Segment, float]:
    """Cheapest way to carry less than a full frame."""
    law = law_of(noise)
    found: list[tuple[float, Segment]] = [(8.0 * rest, Segment(None, 1, rest))]
    roomy = sorted(_held(s) for s, _ in shapes if isinstance(s, BchShape) and _held(s) >= rest)
    for shape, cost in shapes:
        frames = -(-rest // _held(shape))
        if isinstance(shape, BchShape):
            if len(roomy) > 1 and _held(shape) not in roomy[:2]:
                continue  # larger fields cost more parity, smaller ones more frames
            shorter = _best_bch(shape.field_degree, -(-rest // frames), law)
            if shorter is None:
                continue
            found.append((frames * _bch_cost(shorter, law), Segment(shorter, frames, shorter.held)))
        else:
            found.append((frames * cost, Segment(shape, frames, _held(shape))))
    price, segment = min(found, key=lambda pair: pair[0])
    return segment, price


def _entropy(noise: BellDiagonal) -> float:
    return -sum(w * math.log2(w) for w in noise.weights if w > 0)

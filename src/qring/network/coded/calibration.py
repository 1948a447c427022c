"""Measured failure rates of LDPC frames over Werner pairs, shipped as data.

For each code stands the least fidelity it is used at, and how many frames were lost there after
each attempt. Above that fidelity frames are lost less often, so the rates are pessimistic.
``python -m qring.network.coded.calibration FILE`` measures them anew. Standing: sampled.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from qring.encoding.codes.ldpc import PAIRED, LdpcCode, ldpc_code
from qring.encoding.codes.min_sum import decode, pair_laws
from qring.errors import InputError
from qring.network.coded.check import CHECK_BITS
from qring.network.coded.ldpc_frames import deliver
from qring.network.coded.pairs import AlikePairs, law_of
from qring.network.noise import BellDiagonal
from qring.network.pauli import ErrorStream

__all__ = ["LIFTS", "ROWS", "Measured", "measure", "measurements"]

ROWS = (*range(3, 16), *range(16, 34, 2), 35, 37, 40, 43, 46, 48)
LIFTS = (48, 192, 336)

_SEED = 20261201
_WANTED_LOSS = 0.01
_SEARCHED_FRAMES = 300
_MEASURED_FRAMES = {48: 8000, 192: 2000, 336: 1500}
_FRAMES_AT_ONCE = 100
_STEPS = 10_000  # fidelities are searched to 1/10,000


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One code's losses: of ``frames`` frames, ``lost[k]`` after attempt k+1, at ``fidelity``."""

    rows: int
    lift: int
    fidelity: float
    frames: int
    lost: tuple[int, ...]

    @property
    def code(self) -> LdpcCode:
        """The code that was measured."""
        return ldpc_code(self.rows, self.lift)

    def loss(self, attempt: int) -> float:
        """Share of the frames that made this attempt, from 1, and were lost again."""
        if attempt > len(self.lost):
            return 0.0
        tried = self.frames if attempt == 1 else self.lost[attempt - 2]
        return self.lost[attempt - 1] / tried if tried else 0.0

    def interval(self, attempt: int, false_alarm: float = 1e-6) -> tuple[float, float]:
        """Clopper–Pearson bounds of :meth:`loss`, wrong with at most this probability."""
        from scipy.stats import beta

        tried = self.frames if attempt == 1 else sum(self.lost[attempt - 2 : attempt - 1])
        seen = self.lost[attempt - 1] if attempt <= len(self.lost) else 0
        if tried == 0:
            return 0.0, 1.0
        half = false_alarm / 2
        low = float(beta.ppf(half, seen, tried - seen + 1)) if seen else 0.0
        high = float(beta.ppf(1 - half, seen + 1, tried - seen)) if seen < tried else 1.0
        return low, high


@functools.cache
def measurements() -> tuple[Measured, ...]:
    """The shipped measurements, by lift and rows."""
    text = resources.files("qring.network.coded").joinpath("calibration.json").read_text()
    rows = json.loads(text)["measurements"]
    return tuple(Measured(**{**row, "lost": tuple(row["lost"])}) for row in rows)


def measure(rows: int, lift: int) -> Measured:
    """Find the least fidelity at which one frame in a hundred is lost, and count losses there."""
    code = ldpc_code(rows, lift)
    low, high = round(0.75 * _STEPS), _STEPS - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _serves(code, middle / _STEPS) else (middle, high)
    frames = _MEASURED_FRAMES[lift]
    fidelity = high / _STEPS
    lost = _losses(code, fidelity, frames)
    return Measured(rows=rows, lift=lift, fidelity=fidelity, frames=frames, lost=lost)


def _serves(code: LdpcCode, fidelity: float) -> bool:
    """Whether few enough frames are lost at first, over pairs that a code of this rate allows."""
    noise = BellDiagonal.werner(fidelity)
    law = law_of(noise)
    if 2 + float(law @ np.log2(law)) < 2 * code.rate:
        return False
    rng = np.random.default_rng([_SEED, 1, code.rows, code.lift, round(fidelity * _STEPS)])
    pairs, lost = _pairs(noise, rng), 0
    for _ in range(_SEARCHED_FRAMES // _FRAMES_AT_ONCE):
        labels, known = pairs.take(_FRAMES_AT_ONCE * PAIRED * code.lift)
        halves = labels.reshape(-1, PAIRED, code.lift)
        errors = np.concatenate([halves >> 1, halves & 1], axis=1)
        lost += int(decode(code, code.syndrome(errors), pair_laws(known)).lost.sum())
        if lost > _WANTED_LOSS * _SEARCHED_FRAMES:
            return False
    return True


def _losses(code: LdpcCode, fidelity: float, frames: int) -> tuple[int, ...]:
    rng = np.random.default_rng([_SEED, code.rows, code.lift, round(fidelity * _STEPS)])
    pairs = _pairs(BellDiagonal.werner(fidelity), rng)
    held = (code.information_bits - CHECK_BITS) // 8
    lost: list[int] = []
    for _ in range(frames // _FRAMES_AT_ONCE):
        data = rng.integers(256, size=(_FRAMES_AT_ONCE, held), dtype=np.uint8)
        sent = deliver(code, data, pairs)
        lost.extend([0] * (len(sent.lost) - len(lost)))
        for attempt, count in enumerate(sent.lost):
            lost[attempt] += count
    return tuple(lost)


def _pairs(noise: BellDiagonal, rng: np.random.Generator) -> AlikePairs:
    return AlikePairs(noise, ErrorStream(noise, rng))


def _all() -> Iterator[Measured]:
    for lift in LIFTS:
        for rows in ROWS:
            found = measure(rows, lift)
            print(found, file=sys.stderr)
            yield found


def _main(target: str) -> None:
    rows = [asdict(found) for found in _all()]
    body = ",\n".join(f"    {json.dumps(row)}" for row in rows)
    Path(target).write_text(
        f'{{\n  "schema": 1,\n  "seed": {_SEED},\n  "measurements": [\n{body}\n  ]\n}}\n'
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise InputError("name one file to write")
    _main(sys.argv[1])

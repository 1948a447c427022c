"""Decoding of LDPC frames whose bits were sent in pairs: layered, normalised min-sum.

The decoder looks for the error pattern of least weight that explains the syndrome. Bits of one
pair are not independent: each tells the other what the pair's law makes of its own belief. Where
λ(a, b) is the probability that a pair flips its first bit by a and its second by b, and belief
x = log P(a=0)/P(a=1) comes from the checks, the second bit learns

    max(log λ(0,0) + x, log λ(1,0)) − max(log λ(0,1) + x, log λ(1,1)),

the max-log form of the exact message. All arithmetic is in 16-bit integers, 1/16 nat a unit, and
the compiled kernel and the NumPy fallback give the same bits. Source: Chen, Dholakia, Eleftheriou,
Fossorier and Hu, IEEE Trans. Commun. 53, 1288 (2005); the pair's message is ours.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.encoding.codes import min_sum_kernel
from qring.encoding.codes.ldpc import COLUMNS, PAIRED, Bits, LdpcCode
from qring.errors import InputError

__all__ = ["ITERATIONS", "Decoded", "Engine", "Laws", "compiled", "decode", "pair_laws"]

ITERATIONS = 60
"""Passes over all checks before a frame counts as lost."""

Laws = NDArray[np.int16]
"""Logarithms of a pair's error law, 16 a nat: shape (1 or frames, 4, 48, lift).

Axis 1 is the label 2a + b of an error that flips the first bit by a and the second by b.
"""

_LEAST_LOG = -1024  # 64 nats: rarer errors are taken to be this rare

Engine = Callable[..., None]


class Decoded(NamedTuple):
    """Errors found, shape (frames, 96, lift), and passes taken, shape (frames,); −1 if lost.

    Where a frame is lost its errors are the last guess, and do not explain the syndrome.
    """

    errors: Bits
    passes: NDArray[np.int32]

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Frames that no error pattern was found for."""
        return self.passes < 0


def pair_laws(weights: ArrayLike) -> Laws:
    """Law of pairs from probabilities by label, shape (4,) or (frames, 4, 48, lift).

    Raises:
        InputError: a negative probability, or a pair without any.
    """
    given = np.asarray(weights, np.float64)
    if given.shape == (4,):
        given = given.reshape(1, 4, 1, 1)
    if given.ndim != 4 or given.shape[1] != 4:
        raise InputError(f"a law has shape (4,) or (frames, 4, 48, lift), not {given.shape}")
    most = given.max(axis=1, keepdims=True)
    if not (np.isfinite(given).all() and (given >= 0).all() and (most > 0).all()):
        raise InputError("probabilities of a pair's errors are finite and not negative")
    with np.errstate(divide="ignore"):
        logs = 16 * np.log(given / most)
    return np.asarray(np.maximum(np.rint(logs), _LEAST_LOG), np.int16)


def decode(
    code: LdpcCode, syndrome: Bits, laws: Laws, *, iterations: int = ITERATIONS,
    engine: Engine | None = None,
) -> Decoded:  # fmt: skip
    """Find the errors of frames from their syndrome, shape (frames, rows, lift).

    ``engine`` is the compiled kernel where the package ``numba`` is installed, else NumPy.

    Raises:
        InputError: shapes that do not fit the code.
    """
    frames = len(syndrome)
    if syndrome.shape != (frames, code.rows, code.lift):
        raise InputError(
            f"a syndrome of this code has shape (frames, {code.rows}, {code.lift}), not "
            f"{syndrome.shape}"
        )
    try:
        whole = np.broadcast_to(laws, (laws.shape[0], 4, PAIRED, code.lift))
    except ValueError:
        raise InputError(f"a law of shape {laws.shape} does not fit the code") from None
    if len(whole) not in (1, frames):
        raise InputError(f"{len(whole)} laws for {frames} frames; give one, or one a frame")
    errors = np.empty((frames, COLUMNS, code.lift), np.uint8)
    passes = np.empty(frames, np.int32)
    (engine or compiled() or min_sum_kernel.in_numpy)(
        np.ascontiguousarray(syndrome), code.starts, code.columns, code.shifts,
        np.ascontiguousarray(whole), iterations, errors, passes,
    )  # fmt: skip
    return Decoded(errors, passes)


@functools.cache
def compiled() -> Engine | None:
    """The kernel as machine code, or None where ``numba`` is not installed."""
    if importlib.util.find_spec("numba") is None:
        return None
    import numba

    made: Any = numba.njit(min_sum_kernel.in_loops, cache=True, nogil=True)
    found: Engine = made
    return found

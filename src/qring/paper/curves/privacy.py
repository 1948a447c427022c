"""Curves on copies: how many, what tampering does to them, and what it tells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.all_reduce import all_reduce
from qring.collectives.ghz.coded import CodedDigits
from qring.collectives.ghz.digits import Digits, majority_copies
from qring.collectives.ghz.kitaev import Kitaev
from qring.collectives.ghz.method import Ghz
from qring.collectives.ghz.readout import Readout
from qring.collectives.ghz.shots import Shots
from qring.encoding.values import Integers
from qring.ledger import Meter
from qring.network.adversary.aim import Every, These
from qring.network.adversary.base import Adversary, Source
from qring.network.adversary.sources import BitFlips, EprHalves, PlusState, Purification
from qring.network.network import Network
from qring.network.noise import QubitNoise
from qring.network.view import Announced
from qring.network.wiring import Announcement, Distribution, Wiring
from qring.paper.claims.verification import verified
from qring.paper.curves.curve import GREY, INK, ORANGE, PURPLE, TEAL, Curve, Data
from qring.security.vga.verification import CutAndChoose, HashedVerification
from qring.theory.precision import shannon_copies, shot_copies
from qring.theory.privacy import cut_and_choose, stabiliser_detection

__all__ = ["CURVES"]

_VISIBILITY = 0.9
_WORKERS = 4


# Copies --------------------------------------------------------------------------------------


def _copies(readout: Readout, word_bits: int, coords: int, rng: np.random.Generator) -> float:
    words = rng.integers(0, 1 << word_bits, size=(_WORKERS, coords))
    method = Ghz(encoding=Integers(word_bits=word_bits, signed=False), readout=readout)
    network = Network(qubit_noise=QubitNoise.of_visibility(_VISIBILITY, _WORKERS))
    result = all_reduce(words, method=method, network=network, rng=rng)
    return float(result.copies_per_coordinate)  # type: ignore[attr-defined]


def _readouts(rng: np.random.Generator) -> Data:
    measured = [4, 8, 12, 16]  # bits of a sum of four words
    return {
        "bits": [float(b) for b in measured],
        "digits": [_copies(Digits(), b - 2, 50, rng) for b in measured],
        "kitaev": [_copies(Kitaev(), b - 2, 50, rng) for b in measured],
        "coded": [_copies(CodedDigits(), b - 2, 4096, rng) for b in measured[:3]],
        "shots": [_copies(Shots(failure=0.1), b - 2, 20, rng) for b in measured[:3]],
    }


def _paint_readouts(axes: Any, data: Data) -> None:  # noqa: ANN401 - matplotlib's axes
    bits, all_bits = data["bits"], np.arange(3, 19)
    axes.plot(all_bits, [shot_copies(int(b)) / _VISIBILITY**2 for b in all_bits], color=ORANGE)
    each = majority_copies((1 - _VISIBILITY) / 2, -math.expm1(math.log1p(-1e-6) / 12))
    axes.plot(all_bits, each * all_bits, color=TEAL)
    axes.plot(all_bits, shannon_copies(_VISIBILITY) * all_bits, color=INK, ls=":", lw=1.3)
    axes.plot(bits[:3], data["shots"], "o", color=ORANGE, label="the paper's shots, 4^B")
    axes.plot(bits, data["kitaev"], "s", color=GREY, label="Kitaev, one round")
    axes.plot(bits, data["digits"], "o", color=TEAL, label="digits, majority")
    axes.plot(bits[:3], data["coded"], "D", color=PURPLE, label="digits, coded")
    axes.text(18, 1.16 * 18, "Shannon's limit", ha="right", va="top", fontsize=9)
    axes.set(yscale="log", ylim=(3, 1e9), xlabel="bits B of the sum",
             ylabel="copies a coordinate, V = .9")  # fmt: skip
    axes.legend(loc="upper left")


# Tampering -----------------------------------------------------------------------------------


def _tampered(rng: np.random.Generator) -> Data:
    bad = [1, 2, 3, 4, 6, 8]
    data: Data = {"bad": [float(k) for k in bad]}
    for name, verification in (
        ("cut", CutAndChoose()),
        ("hashed", HashedVerification(epsilon=0.25, phase_checks=0)),
    ):
        accepted, used = [], []
        for k in bad:
            source = BitFlips(workers=frozenset({1}), aim=These(tuple(range(k))))
            runs = [verified(verification, source, 50, rng) for _ in range(200)]
            accepted.append(float(np.mean([r.data is not None for r in runs])))
            left = [r.data is not None and len(r.data.tampered) > 0 for r in runs]
            used.append(float(np.mean(left)))
        data[f"{name}, accepted"], data[f"{name}, bad copies used"] = accepted, used
    return data


def _paint_tampered(axes: Any, data: Data) -> None:  # noqa: ANN401 - matplotlib's axes
    every = np.arange(1, 9)
    fate = [cut_and_choose(int(k), 50, stabiliser_detection(_WORKERS)) for k in every]
    axes.plot(every, [f.accept for f in fate], color=GREY)
    axes.plot(every, [f.accept_with_bad for f in fate], color=ORANGE)
    axes.plot(every, 0.5**every, color=PURPLE, ls="--", lw=1.4)
    axes.axhline(2.0**-4, color=TEAL)
    bad = data["bad"]
    axes.plot(bad, data["cut, accepted"], "o", color=GREY, label="cut-and-choose: accepted")
    axes.plot(bad, data["cut, bad copies used"], "o", color=ORANGE,
              label="cut-and-choose: bad copies used")  # fmt: skip
    axes.plot([], [], color=PURPLE, ls="--", label="masks, half tested: accepted; none tell")
    axes.plot(bad, data["hashed, bad copies used"], "v", color=TEAL,
              label="4 hashed checks: bad copies used")  # fmt: skip
    axes.set(yscale="log", ylim=(3e-3, 6), xlabel="tampered copies among 100",
             ylabel="probability")  # fmt: skip
    axes.legend(loc="upper right", fontsize=8.5)


# Attacks -------------------------------------------------------------------------------------


def _batch_outcomes(
    source: Source, words: NDArray[np.uint64], digit: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Worker 1's outcomes for its words, when the copies of one digit come from ``source``."""
    wiring = Wiring(2, Distribution.STAR, Announcement.BROADCAST, Meter())
    rows = np.stack([rng.integers(0, 256, size=len(words), dtype=np.uint64), words])
    total = rows.sum(axis=0, dtype=np.uint64)
    batch = Network(adversary=Adversary(source=source)).ghz_batch(
        total, rows, workers=2, wiring=wiring, rng=rng
    )
    known = total & np.uint64((1 << digit) - 1)
    return np.unpackbits(batch.announce(digit, known).planes[1], count=len(words))


def _leak(source: Source, digits: range, rng: np.random.Generator) -> float:
    """Bits that worker 1's outcomes of these digits tell on its uniform 8-bit word.

    The odds of each outcome are counted for each word; given the word, digits are independent.
    """
    words = np.tile(np.arange(256, dtype=np.uint64), 400)
    law = np.ones((256, 1))
    for digit in digits:
        outcomes = _batch_outcomes(source, words, digit, rng)
        ones = outcomes.reshape(400, 256).mean(axis=0)
        # Words that agree in the digits up to this one turn alike: count them together.
        low = np.arange(256) % (2 << digit)
        ones = (np.bincount(low, ones) / np.bincount(low))[low]
        law = np.concatenate([law * (1 - ones)[:, None], law * ones[:, None]], axis=1)
    seen = law.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(law > 0, law * np.log2(law / seen), 0.0)
    return float(terms.sum() / 256)


def _halves_leak(rng: np.random.Generator) -> float:
    """Bits of an 8-bit word that halves of pairs tell: those that the eavesdropper gets right."""
    rows = rng.integers(0, 256, size=(2, 500), dtype=np.uint64)
    wiring = Wiring(2, Distribution.STAR, Announcement.BROADCAST, Meter())
    view: list[Announced] = []
    network = Network(adversary=Adversary(source=EprHalves(aim=Every())))
    batch = network.ghz_batch(
        rows.sum(axis=0, dtype=np.uint64), rows, workers=2, wiring=wiring, rng=rng, view=view
    )
    Digits().read(batch, 8)
    last = view[-1]
    # Her half shows the outcome and the last digit together: the outcome is public.
    bit = last.held[1] ^ np.unpackbits(last.transcript.planes[1], count=rows.shape[1])
    found = last.guesses[1] | (bit.astype(np.uint64) << np.uint64(last.digit))
    right = [(found ^ rows[1]) >> np.uint64(bit) & np.uint64(1) == 0 for bit in range(8)]
    return float(np.mean(right, axis=1).sum())


def _attacks(rng: np.random.Generator) -> Data:
    every = Every()
    return {
        "leak": [
            8.0,  # the classical ring: the word itself, or a sum of known others, in the clear
            _halves_leak(rng),
            _leak(PlusState(aim=every), range(8), rng),
            _leak(PlusState(aim=every), range(1), rng),
            _leak(Purification(aim=every), range(8), rng),
        ]
    }


_ATTACKS = (
    "classical ring,\nall channels tapped",
    "halves of pairs\nfor every copy",
    "|+⟩ⁿ for every copy",
    "|+⟩ⁿ for the lowest digit\n(unnoticed: the sum is right)",
    "a qubit kept\nof every copy",
)


def _paint_attacks(axes: Any, data: Data) -> None:  # noqa: ANN401 - matplotlib's axes
    places = np.arange(len(_ATTACKS))[::-1]
    colours = [GREY, ORANGE, ORANGE, PURPLE, TEAL]
    axes.barh(places, data["leak"], color=colours, height=0.58)
    for place, leak in zip(places, data["leak"], strict=True):
        axes.text(leak + 0.12, place, f"{leak:.2f}", va="center", fontsize=9.5)
    axes.set_yticks(places, _ATTACKS, fontsize=9)
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="bits told of one worker's 8-bit word, untested copies", xlim=(0, 9))


# Noise ---------------------------------------------------------------------------------------


def _pooled(rng: np.random.Generator) -> Data:
    workers = [2, 4, 8, 16, 32, 64]
    pooled: list[float] = []
    local: list[float] = []
    for n in workers:
        for found, sigma in ((pooled, 40 / math.sqrt(n)), (local, 40.0)):
            noise = np.rint(rng.normal(scale=sigma, size=(n, 1500))).astype(np.int64)
            method = Ghz(encoding=Integers(word_bits=10, signed=True))
            result = all_reduce(noise, method=method, rng=rng)
            found.append(float(np.std(np.asarray(result.sum, np.float64)) / 40))
    return {"workers": [float(n) for n in workers], "pooled": pooled, "local": local}


def _paint_pooled(axes: Any, data: Data) -> None:  # noqa: ANN401 - matplotlib's axes
    n = np.array(data["workers"])
    axes.plot(n, np.sqrt(n), color=GREY)
    axes.plot(n, np.ones(len(n)), color=TEAL)
    axes.plot(n, data["local"], "o", color=GREY, label="every release private on its own")
    axes.plot(n, data["pooled"], "o", color=TEAL, label="only the sum is released")
    axes.set(xscale="log", yscale="log", xlabel="workers",
             ylabel="noise of the sum, over one release's")  # fmt: skip
    axes.set_xticks(n, [f"{k:.0f}" for k in n])
    axes.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    axes.minorticks_off()
    axes.legend(loc="upper left")


CURVES = (
    Curve(
        id="readouts",
        title="Copies for a sum of B bits",
        caption="Copies of visibility .9 that four readouts use (dots: runs). Estimating a phase "
        "by shots takes about 4^B; reading digits takes a multiple of B, and a code across "
        "coordinates comes near Shannon's limit.",
        measure=_readouts,
        paint=_paint_readouts,
    ),
    Curve(
        id="tampering",
        title="What verification lets through",
        caption="4 workers, 50 copies used. Dots: 200 runs each; lines: exact. Cut-and-choose uses "
        "one bad copy with probability ½. Four hashed checks let bad copies through with "
        "2⁻⁴ whatever their number, 80 checks with 2⁻⁸⁰. Coded masks withstand few bad copies: "
        "nothing is told.",
        measure=_tampered,
        paint=_paint_tampered,
    ),
    Curve(
        id="attacks",
        title="What attacks tell",
        caption="Bits on one uniform 8-bit word beyond the sum, from simulated outcomes of "
        "untested copies. Keeping a qubit of each copy disturbs the sums and tells nothing.",
        measure=_attacks,
        paint=_paint_attacks,
    ),
    Curve(
        id="pooled-noise",
        title="Pooled noise against local noise",
        caption="Standard deviation of the noise in GHZ sums, relative to that of one private "
        "release (dots: runs). With sums only in the open, n workers share one release's noise.",
        measure=_pooled,
        paint=_paint_pooled,
    ),
)

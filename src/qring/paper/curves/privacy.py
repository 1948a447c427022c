"""Curves on copies: how many, what tampering does to them, and what it tells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qring.collectives.all_reduce import all_reduce
from qring.collectives.ghz.coded import CodedDigits
from qring.collectives.ghz.digits import Digits, majority_copies
from qring.collectives.ghz.kitaev import Kitaev
from qring.collectives.ghz.method import Ghz
from qring.collectives.ghz.readout import Readout
from qring.collectives.ghz.shots import Shots
from qring.encoding.values import Integers
from qring.network.adversary.aim import These
from qring.network.adversary.sources import BitFlips
from qring.network.network import Network
from qring.network.noise import QubitNoise
from qring.paper.claims.verification import verified
from qring.paper.curves.curve import GREY, INK, ORANGE, PURPLE, TEAL, Curve, Data
from qring.security.leakage.laboratory import ATTACKS, attack
from qring.security.leakage.report import Setting
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
    return float(result.copies_per_coordinate)


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

_ATTACKS = {
    "wiretap": "tap every channel",
    "plus-state": "send |+⟩ⁿ for a copy",
    "intercept-resend": "measure and resend it",
    "epr-half": "send halves of pairs",
    "one-bad-copy": "flip a qubit of it",
    "purification": "keep a qubit of it",
    "lying-node": "a worker helps her",
}
_PROTOCOLS = {
    "classical": "classical\nring",
    "superdense": "superdense\nring",
    "masking": "pairwise\nmasks",
    "ghz": "GHZ,\nuntested",
    "vga cut-and-choose": "cut-and-\nchoose",
    "vga hashed": "hashed\nchecks",
}
_IDLE = -1.0  # the attack has nothing to do against the protocol


def _attacks(rng: np.random.Generator) -> Data:
    setting = Setting(workers=3, word_bits=2, copies=1, rounds=50)
    return {
        protocol: [
            attack(name, protocol, setting, rng).leak_bits
            if protocol in ATTACKS[name].against
            else _IDLE
            for name in _ATTACKS
        ]
        for protocol in _PROTOCOLS
    }


def _paint_attacks(axes: Any, data: Data) -> None:  # noqa: ANN401 - matplotlib's axes
    for column, protocol in enumerate(_PROTOCOLS):
        for row, leak in enumerate(data[protocol]):
            if leak == _IDLE:
                continue
            colour = ORANGE if leak > 1e-6 else TEAL
            axes.fill_between([column - 0.46, column + 0.46], row - 0.44, row + 0.44, lw=0,
                              color=colour, alpha=0.22 + 0.33 * leak)  # fmt: skip
            shown = f"{leak:.3f}".rstrip("0").rstrip(".")
            axes.text(column, row, shown, ha="center", va="center", fontsize=10.5)
    axes.set_xticks(range(len(_PROTOCOLS)), list(_PROTOCOLS.values()), fontsize=9)
    axes.set_yticks(range(len(_ATTACKS)), list(_ATTACKS.values()), fontsize=9)
    axes.set(xlim=(-0.5, 5.5), ylim=(6.5, -0.5))
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


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
        caption="Bits on one worker's 2-bit word, 3 workers, one copy tampered with: exact, but "
        "for hashed checks, where 0 stands for a bound below 10⁻⁹. Blank: nothing to attack. Masks "
        "whose keys cross the wire hide nothing; untested copies and cut-and-choose leak.",
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

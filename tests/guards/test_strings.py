"""Strings are no enums, methods, networks or generators: every public value says so at birth."""

import dataclasses
import enum
import typing

import numpy as np
import pytest

import qring
from qring.circuits.ghz import GhzCopy, PhaseDigits, Source
from qring.circuits.verification import HashedCheck, StabiliserTest, ZTest
from qring.conflict.gap_ip import gap_ip
from qring.conflict.tie_audit import tie_audit
from qring.encoding.formats import WordFormat
from qring.network.hardware.registry import PROFILES
from qring.security.secagg.outcome import Reason
from qring.theory.resources import RingResources
from qring.training.settings import TrainSettings

WORDS = qring.Integers(word_bits=4)
NOTHING = {"coords": 3, "ledger": qring.Ledger(), "workers": 3}
NEEDED = {  # what a value needs beside the fields that have defaults
    qring.Entry: {"src": 0, "dst": 1, "phase": qring.Phase.SETUP, "carrier": qring.Carrier.BIT,
                  "count": 1},
    qring.FixedPoint: {"word_bits": 8, "limit": 1.0},
    qring.Ghz: {"encoding": WORDS},
    qring.Hardware: {"profile": PROFILES["ideal"]},
    qring.Integers: {"word_bits": 8},
    qring.Private: {"encoding": WORDS},
    qring.PrivateAborted: {**NOTHING, "reason": None},
    qring.Promise: {"epsilon": 1.0, "delta": 1e-5, "clip": 1.0},
    qring.QiskitNetwork: {"sampler": None},
    qring.SecAgg: {"encoding": WORDS},
    qring.SecAggAborted: {**NOTHING, "reason": Reason.TOO_FEW, "stage": qring.Stage.MASK,
                          "present": (), "threshold": 2},
    qring.VgaRejected: {**NOTHING, "cause": None, "verdicts": ()},
    GhzCopy: {"phases": (0.0, 0.0)},
    HashedCheck: {"workers": 3, "subset": (True,)},
    PhaseDigits: {"words": (1, 2), "sum_bits": 2},
    StabiliserTest: {"workers": 3},
    WordFormat: {"word_bits": 4, "workers": 3},
    ZTest: {"workers": 3},
}  # fmt: skip
BESIDE = (GhzCopy, HashedCheck, PhaseDigits, StabiliserTest, TrainSettings, WordFormat, ZTest)


def enums(kind):
    """Names of the fields of a dataclass that hold members of an enum, and the enums."""
    return {
        field.name: hint
        for field, hint in (
            (field, typing.get_type_hints(kind)[field.name]) for field in dataclasses.fields(kind)
        )
        if isinstance(hint, type) and issubclass(hint, enum.Enum)
    }


PUBLIC = [
    value for name in qring.__all__ if dataclasses.is_dataclass(value := getattr(qring, name))
]
CASES = [
    (kind, name, choice)
    for kind in (*(k for k in PUBLIC if isinstance(k, type)), *BESIDE)
    for name, choice in enums(kind).items()
]


def test_the_walk_finds_the_enums():
    assert len(CASES) >= 25
    assert (qring.Ghz, "distribution", qring.Distribution) in CASES


@pytest.mark.parametrize(("kind", "name", "choice"), CASES, ids=lambda part: str(part))
def test_a_string_in_place_of_an_enum_is_refused(kind, name, choice):
    for member in choice:
        needed = {**NEEDED.get(kind, {}), name: member}
        wrong = {**needed, name: str(member.value)}
        with pytest.raises(qring.InputError, match=rf"{name} got .*; use .*{choice.__name__}\."):
            kind(**wrong)
    with pytest.raises(qring.InputError, match="got 'telepathy'; use"):
        kind(**{**needed, name: "telepathy"})


def test_the_member_that_a_string_names_is_told():
    with pytest.raises(qring.InputError, match=r"^distribution got 'star'; use Distribution.STAR$"):
        qring.Ghz(encoding=WORDS, distribution="star")
    with pytest.raises(
        qring.InputError, match=r"use Distribution.STAR or Distribution.RING_PAIRS or .*GROUPS$"
    ):
        qring.Ghz(encoding=WORDS, distribution="post")


RNG = np.random.default_rng(0)
ROWS = np.zeros((3, 4), np.float32)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: qring.Network(noise=0.1), r"noise got 0.1; use a BellDiagonal"),
        (lambda: qring.Network(noise_on={(0, 1): 0.1}), r"noise_on\[0, 1\] got 0.1"),
        (lambda: qring.Network(qubit_noise=0.1), "qubit_noise got 0.1"),
        (lambda: qring.Network(adversary=qring.PlusState()), "adversary got PlusState"),
        (lambda: qring.DenseNetwork(noise=0.1), "noise got 0.1"),
        (lambda: qring.QiskitNetwork(sampler=None, noise=0.1), "noise got 0.1"),
        (lambda: qring.BellDiagonal(x="0.1"), "the probability of X got '0.1'; use a number"),
        (lambda: qring.BellDiagonal(x=float("nan")), "lies in"),
        (lambda: qring.QubitNoise(dephasing=None), "the probability of dephasing got None"),
        (lambda: qring.Adversary(source="plus-state"), "source got 'plus-state'"),
        (lambda: qring.PlusState(aim=(0, 1)), "aim got"),
        (lambda: qring.These((0.5,)), "the number of a copy got 0.5"),
        (lambda: qring.all_reduce(ROWS, method="superdens"), "no protocol 'superdens'; choose"),
        (lambda: qring.all_reduce(ROWS, method=qring.Superdense), "method got <class"),
        (lambda: qring.all_reduce(ROWS, network="noisy"), "network got 'noisy'"),
        (lambda: qring.all_reduce(ROWS, rng=7), r"rng got 7; use numpy.random.default_rng\(7\)"),
        (lambda: gap_ip([1.0], [1.0], margin=0.1, error=0.1, rng=0), "rng got 0"),
        (lambda: gap_ip([1.0], [1.0], margin=0.1, error=0.1, rng=RNG, strategy="kitaev"),
         "strategy got 'kitaev'"),
        (lambda: gap_ip([1.0], [1.0], margin=0.1, error=0.1, rng=RNG, simulation="plane"),
         "simulation got 'plane'; use Simulation.PLANE"),
        (lambda: tie_audit([1, 1], [[0, 1]], epsilon=0.1, delta=0.1, rng=0), "rng got 0"),
        (lambda: tie_audit([1, 1], [[0, 1]], epsilon=0.1, delta=0.1, rng=RNG, noise=0.1),
         "noise got 0.1"),
        (lambda: tie_audit([1, 1], [[0, 1]], epsilon=0.1, delta=0.1, rng=RNG, zeros="plus"),
         "zeros got 'plus'; use ZeroRule.PLUS"),
        (lambda: qring.Superdense(encoding="words"), "encoding got 'words'"),
        (lambda: qring.Ghz(encoding=qring.FloatBits()), "the encoding of ghz got FloatBits"),
        (lambda: qring.Ghz(encoding=WORDS, readout="coded"), "readout got 'coded'"),
        (lambda: qring.Ghz(encoding=WORDS, checksum=True), "checksum got True"),
        (lambda: qring.Ghz(encoding=WORDS, weights=(1.0, 2)), "a weight got 1.0"),
        (lambda: qring.Vga(ghz=WORDS), "ghz got Integers"),
        (lambda: qring.Vga(ghz=qring.Ghz(encoding=WORDS), verification="hashed"), "'hashed'"),
        (lambda: qring.Fallback(method="ghz"), "method got 'ghz'"),
        (lambda: qring.SecAgg(encoding=WORDS, dropouts={1: "mask"}), "use Stage.MASK"),
        (lambda: qring.Integers(word_bits=4.0), "word_bits got 4.0; use a whole number"),
        (lambda: qring.Integers(word_bits=0), "at least 1 bit"),
        (lambda: qring.Integers(word_bits=63), "at most 62 bits"),
        (lambda: qring.FixedPoint(word_bits=8, limit="1"), "got '1'; use a number"),
        (lambda: qring.FixedPoint(word_bits=8, limit=float("inf")), "must be positive"),
        (lambda: qring.FixedPoint(word_bits=60, limit=1e-300), "too small for floats"),
        (lambda: qring.FloatBits(allow_nonfinite="no"), "use True or False"),
        (lambda: qring.Digits(failure="1e-6"), "use a number"),
        (lambda: qring.Checksum(bits=2.5), "use a whole number"),
        (lambda: qring.CutAndChoose(tests_per_copy="1"), "use a number"),
        (lambda: qring.HashedVerification(phase_checks=0.5), "use a whole number"),
        (lambda: qring.DistributedGaussian(plan="16 bits"), "plan got '16 bits'"),
        (lambda: qring.calibrate("eps 1", workers=3, coords=4, word_bits=16), "promise got"),
        (lambda: RingResources(workers=3, coords=4, word_bits=8).ledger("ghz"),
         "protocol got 'ghz'; use 'classical' or 'superdense'"),
        (lambda: RingResources(workers=3, coords=4, word_bits=8, width="wide"), "width got"),
        (lambda: RingResources(workers=3, coords=4, word_bits=8, gather="left"), "gather got"),
        (lambda: RingResources(workers=3.0, coords=4, word_bits=8), "workers got 3.0"),
    ],
)  # fmt: skip
def test_values_and_verbs_refuse_what_they_do_not_know(make, message):
    with pytest.raises(qring.InputError, match=message):
        make()


def test_numbers_of_numpy_are_numbers():
    assert qring.FixedPoint(word_bits=np.int64(8), limit=np.float32(2)).step == 2 / 127
    assert qring.BellDiagonal(x=np.float64(0.25)).fidelity == 0.75
    assert Source.CHAIN is GhzCopy(phases=(np.float64(0), 0)).source

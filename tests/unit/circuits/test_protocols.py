"""Circuits do what their protocols say, on Aer and in every format they are written in.

Outcomes that are certain are compared exactly; frequencies within exact binomial bounds.
"""

import math

import numpy as np
import pytest

from qring.circuits.export import Format, draw, export
from qring.circuits.gap_ip import GapIPPasses, GapIPPhase
from qring.circuits.ghz import GhzCopy, PhaseDigits, Source
from qring.circuits.portable import unit_vector
from qring.circuits.sampling import Sampling, aer_sampling
from qring.circuits.superdense import SuperdensePair
from qring.circuits.tie_audit import TieAuditCopy
from qring.circuits.verification import HashedCheck, StabiliserTest, ZTest
from qring.errors import InputError

pytest.importorskip("qiskit_aer", reason="needs the extra [qiskit]")

FALSE_ALARM = 1e-8  # a comparison; no test makes more than 40
U, V = (1.0, 2.0, 0.5), (1.0, -1.0, 1.0)
SIGNS, PAIRS = (1, -1, -1, 1, 1, 1, -1, 1), ((0, 5), (3, 1), (2, 7), (6, 4))

EVERY = {
    "superdense": SuperdensePair(label=3, storage_s=5e-5),
    "ghz": GhzCopy(phases=(0.5, 1.0, math.pi - 1.5)),
    "ghz in constant depth": GhzCopy(phases=(0.0,) * 4, source=Source.CONSTANT_DEPTH),
    "phase digits": PhaseDigits(words=(3, 1, 2), sum_bits=3),
    "stabiliser test": StabiliserTest(workers=3),
    "fixed stabiliser": StabiliserTest(workers=4, stabiliser="-YXYX"),
    "hashed check": HashedCheck(workers=2, subset=(True, False, True)),
    "Z test": ZTest(workers=3, source=Source.CONSTANT_DEPTH),
    "tie audit": TieAuditCopy(signs=SIGNS, pairs=PAIRS),
    "tie audit, six signs": TieAuditCopy(signs=SIGNS[:6], pairs=((0, 5), (3, 1))),
    "gap-ip": GapIPPasses(vectors=(U, V), phases=(0.4, -1.1), reference=0.4),
    "gap-ip phase": GapIPPhase(vectors=(U, V), digits=2),
}


@pytest.fixture(scope="module")
def aer():
    return aer_sampling(seed=1)


def close(count, shots, probability):
    stats = pytest.importorskip("scipy.stats")
    low, high = stats.binom.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], shots, probability)
    return low <= count <= high


@pytest.mark.parametrize("label", range(4))
def test_superdense_coding_brings_both_bits(aer, label):
    assert (aer.sample(SuperdensePair(label=label, storage_s=1e-6), 50) == label).all()


@pytest.mark.parametrize("source", [Source.CHAIN, Source.CONSTANT_DEPTH])
@pytest.mark.parametrize("workers", [2, 3, 5])
def test_copies_are_ghz_states_however_they_are_made(aer, source, workers):
    phases = [0.3 * k for k in range(workers - 1)]
    for total, parity in ((0, 0), (math.pi, 1)):
        copy = GhzCopy(phases=(*phases, total - sum(phases)), source=source)
        assert (aer.sample(copy, 50) == parity).all()
    assert aer.sample(ZTest(workers=workers, source=source), 50).all()


@pytest.mark.parametrize("source", [Source.CHAIN, Source.CONSTANT_DEPTH])
def test_a_three_node_four_bit_sum_with_feed_forward(aer, source):
    words = (11, 6, 13)
    assert (aer.sample(PhaseDigits(words=words, sum_bits=6, source=source), 20) == 30).all()
    assert (aer.sample(PhaseDigits(words=words, sum_bits=4, source=source), 20) == 14).all()


def test_a_tampered_source_shows_the_lowest_digits_and_leaves_the_sum_right(aer):
    digits = PhaseDigits(words=(1, 0, 1), sum_bits=1, source=Source.PLUS)
    assert (aer.sample(digits, 50) == 0).all()
    from qring.circuits.sampling import Job

    (bits,) = aer.run([Job(digits.build(), 50)])
    assert (bits["digit0"] == [1, 0, 1]).all()


def all_stabilisers(workers):
    """All 2^n − 1 with their signs, as products of generators in the tableau of stim."""
    stim = pytest.importorskip("stim")
    generators = [stim.PauliString("X" * workers)]
    for k in range(workers - 1):
        generators.append(stim.PauliString("_" * k + "ZZ" + "_" * (workers - 2 - k)))
    for chosen in range(1, 1 << workers):
        product = stim.PauliString(workers)
        for k, generator in enumerate(generators):
            if chosen >> k & 1:
                product *= generator
        yield str(product)


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_every_stabiliser_is_known_and_passes(workers):
    from qring.circuits.to_stim import to_stim

    known = set(all_stabilisers(workers))
    assert len(known) == 2**workers - 1
    for text in known:
        test = StabiliserTest(workers=workers, stabiliser=text)
        found = test.read(to_stim(test.build()).sample(20, seed=2))
        assert found.tested.all()
        assert not found.failed.any()
        wrong = ("-" if text[0] == "+" else "+") + text[1:]
        with pytest.raises(InputError, match="does not stabilise"):
            StabiliserTest(workers=workers, stabiliser=wrong)


@pytest.mark.parametrize("workers", [2, 3])
def test_coins_draw_every_stabiliser_alike(aer, workers):
    from qring.circuits.sampling import Job

    shots, test = 4000, StabiliserTest(workers=workers)
    (bits,) = aer.run([Job(test.build(), shots)])
    assert not test.read(bits).failed.any()
    assert (bits["set"].sum(axis=1) % 2 == 0).all()
    drawn = bits["kind"][:, 0] * (1 << workers) + bits["set"] @ (1 << np.arange(workers))
    counts = np.unique(drawn, return_counts=True)[1]
    assert len(counts) == 2**workers
    assert all(close(count, shots, 2.0**-workers) for count in counts)


def test_orthogonal_states_fail_stabilisers_as_often_as_proved(aer):
    # |+⟩ⁿ at n = 3: of 7 stabilisers XXX passes always, three ZZ and three YYX half the time.
    shots = 4000
    found = aer.sample(StabiliserTest(workers=3, source=Source.PLUS), shots)
    assert close(int(found.failed.sum()), shots, 6 / 8 / 2)


@pytest.mark.parametrize("workers", [2, 3])
def test_hashed_checks_catch_a_tampered_source(aer, workers):
    assert aer.sample(HashedCheck(workers=workers, subset=(True, True)), 50).all()
    passed = aer.sample(HashedCheck(workers=workers, subset=(True,), source=Source.PLUS), 2000)
    assert close(int(passed.sum()), 2000, 2.0 ** (1 - workers))


@pytest.mark.parametrize("coords", [6, 8])
def test_the_matching_measurement_shows_the_parity_of_a_uniform_pair(aer, coords):
    pairs = tuple(pair for pair in PAIRS if max(pair) < coords)
    shots, audit = 4000, TieAuditCopy(signs=SIGNS[:coords], pairs=pairs)
    found = aer.sample(audit, shots)
    for number, (i, j) in enumerate(pairs):
        assert (found.differs[found.pair == number] == (SIGNS[i] != SIGNS[j])).all()
        assert close(int((found.pair == number).sum()), shots, 2 / coords)


def test_passes_and_phases_of_equal_vectors_are_certain(aer):
    assert aer.sample(GapIPPasses(vectors=(U, U), phases=(1.0, 2.0, math.pi)), 50).all()
    assert (aer.sample(GapIPPhase(vectors=(U, U)), 50) == 0).all()


@pytest.mark.parametrize("circuit", EVERY.values(), ids=EVERY)
def test_openqasm_round_trips_through_qiskits_loader(aer, circuit):
    pytest.importorskip("qiskit_qasm3_import", reason="needs the extra [qiskit]")
    from qiskit import qasm3

    built = circuit.build()
    text = export(built, Format.QASM3)
    again = qasm3.loads(text)
    assert qasm3.dumps(again) == text
    conditions = [line for line in text.splitlines() if "if (" in line]
    for sign in ("&", "|", "^", "!", "==", "~"):
        assert not any(sign in line for line in conditions)
    assert [step.operation.name for step in again.data] == [
        step.operation.name for step in built.data
    ]
    # The loaded circuit is read like the built one.
    from qring.circuits.sampling import Job

    first, second = (aer.run([Job(c, 20)])[0] for c in (built, again))
    assert {k: v.shape for k, v in first.items()} == {k: v.shape for k, v in second.items()}
    circuit.read(second)


@pytest.mark.parametrize("name", ["ghz", "phase digits", "tie audit", "gap-ip"])
def test_what_is_not_clifford_is_not_given_to_stim(name):
    pytest.importorskip("stim", reason="needs the extra [stim]")
    with pytest.raises(InputError, match="stim"):
        export(EVERY[name].build(), Format.STIM)


def test_pictures_are_drawn(tmp_path):
    pytest.importorskip("pylatexenc", reason="needs the extra [plots]")
    draw(EVERY["superdense"].build(), tmp_path / "pair.png")
    assert (tmp_path / "pair.png").read_bytes().startswith(b"\x89PNG")
    assert "half_0" in export(EVERY["superdense"].build(), Format.TEXT)
    for path in (tmp_path / "pair.gif", tmp_path / "nowhere" / "pair.png"):
        with pytest.raises(InputError):
            draw(EVERY["superdense"].build(), path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SuperdensePair(label=4), "two bits"),
        (lambda: SuperdensePair(storage_s=-1.0), "at least 0"),
        (lambda: GhzCopy(phases=(0.0,)), "2 to 8 workers"),
        (lambda: GhzCopy(phases=(0.0, math.nan)), "finite"),
        (lambda: PhaseDigits(words=(1, -1), sum_bits=2), "not negative"),
        (lambda: PhaseDigits(words=(1, 1), sum_bits=0), "1 to 16 bits"),
        (lambda: StabiliserTest(workers=9), "2 to 8 workers"),
        (lambda: StabiliserTest(workers=2, stabiliser="XX"), "a sign and 2 letters"),
        (lambda: StabiliserTest(workers=3, stabiliser="+XYX"), "does not stabilise"),
        (lambda: HashedCheck(workers=2, subset=()), "1 to 8 copies"),
        (lambda: TieAuditCopy(signs=(1, 0), pairs=((0, 1),)), r"\+1 or -1"),
        (lambda: TieAuditCopy(signs=(1, 1), pairs=((0, 2),)), "disjoint pairs"),
        (lambda: TieAuditCopy(signs=(1, 1, 1), pairs=((0, 1), (1, 2))), "disjoint pairs"),
        (lambda: TieAuditCopy(signs=(1,), pairs=((0, 1),)), "2 to 256"),
        (lambda: GapIPPasses(vectors=((0.0, 0.0), (1.0, 0.0))), "all zero"),
        (lambda: GapIPPasses(vectors=((1.0,), (1.0, 0.0))), "two vectors"),
        (lambda: GapIPPasses(vectors=(U, V), reference=1.0), "reference"),
        (lambda: GapIPPhase(vectors=(U, V), digits=0), "1 to 8 digits"),
        (lambda: Sampling(sampler=3), "SamplerV2"),
    ],
)
def test_what_cannot_be_built_is_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_vectors_of_any_size_have_a_direction():
    for size in (1e-320, 1e-200, 1.0, 1e200, 1.5e308):
        assert unit_vector([size, -size], "v") == pytest.approx([0.5**0.5, -(0.5**0.5)])

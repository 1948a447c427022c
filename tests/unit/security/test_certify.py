"""What recorded tests certify: worked numbers, coverage, and files that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qring
from qring import Counts, certify
from qring.cli.main import main
from qring.errors import InputError
from qring.security.certify import clopper_pearson

EXAMPLES = Path(__file__).parents[3] / "examples" / "certify"
RANDOM = [Counts(stabiliser="random", tests=1462, failures=56)]
IN_Z = [Counts(stabiliser="Z", tests=1462, failures=56)]


@settings(max_examples=60)
@given(st.integers(1, 3000), st.integers(0, 3000), st.sampled_from([0.3, 0.05, 1e-6, 2.0**-40]))
def test_upper_bounds_of_rates_are_those_of_the_beta_law(tests, failures, delta):
    stats = pytest.importorskip("scipy.stats")
    failures = min(failures, tests)
    exact = stats.beta.ppf(1 - delta, failures + 1, tests - failures) if failures < tests else 1
    assert clopper_pearson(failures, tests, delta) == pytest.approx(exact, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(("delta", "least"), [(0.05, 0.917), (1e-6, 0.882), (2.0**-40, 0.851)])
def test_three_photons_have_the_fidelity_that_was_worked_out(delta, least):
    found = certify(RANDOM, workers=3, delta=delta)
    assert found.fidelity_least == pytest.approx(least, abs=5e-4)
    assert found.bad_copies is None
    assert found.masks is None
    assert "not chosen by coins drawn after all were received" in found.reasons[0]


@pytest.mark.parametrize(("delta", "share"), [(2.0**-20, 0.125), (2.0**-40, 0.159)])
def test_shuffled_tests_bound_untested_copies_of_any_source(delta, share):
    found = certify(RANDOM, workers=3, delta=delta, shuffled=True, untested=10**5)
    assert found.bad_copies / 10**5 == pytest.approx(share, abs=5e-4)
    assert found.mean_fidelity == 1 - found.bad_copies / 10**5


@pytest.mark.parametrize(
    ("times", "words", "wanted"),
    [(1, 10**4, 0.0), (1, 10**5, 0.072), (1, 10**6, 0.095), (10, 10**6, 0.342),
     (100, 10**6, 0.409), (3 / 7, 10**6, 0.0)],
)  # fmt: skip
def test_masks_that_such_tests_leave(times, words, wanted):
    tests, failures = int(1462 * times), round(56 * times)
    counts = [Counts(stabiliser="Z", tests=tests, failures=failures)]
    options = {"workers": 3, "shuffled": True, "untested": 20 * words, "x_error": 0.038}
    found = certify(counts, threshold=failures, **options)
    assert (found.masks.rate if found.masks else 0.0) == pytest.approx(wanted, abs=1e-3)
    later = certify(counts, **options)  # a threshold chosen after the fact costs a union
    assert (later.masks.masks if later.masks else 0) <= (found.masks.masks if found.masks else 0)
    refused = certify(counts, threshold=failures - 1, **options)
    assert refused.masks is None
    assert "was to be aborted" in refused.reasons[-1]


def counted(state, basis):
    """Probability that each qubit's measurement gives a string, in X, Y or Z a qubit."""
    turns = {
        "Z": np.eye(2), "X": np.array([[1, 1], [1, -1]]) / np.sqrt(2),
        "Y": np.array([[1, -1j], [1, 1j]]) / np.sqrt(2),
    }  # fmt: skip
    whole = np.ones((1, 1))
    for letter in basis:
        whole = np.kron(whole, turns["Z" if letter == "I" else letter])
    return np.real(np.diag(whole @ state @ whole.conj().T))


@pytest.mark.parametrize("seed", range(3))
def test_bounds_hold_for_states_whose_fidelity_is_known(seed):
    """Three qubits, a random mixture near a GHZ state; every method, false alarm 1e-6."""
    rng, tests = np.random.default_rng(seed), 4000
    ghz = np.zeros(8)
    ghz[0] = ghz[7] = np.sqrt(0.5)
    noise = rng.normal(size=(8, 8)) + 1j * rng.normal(size=(8, 8))
    noise = noise @ noise.conj().T
    state = 0.93 * np.outer(ghz, ghz) + 0.07 * noise / np.trace(noise)
    fidelity = float(np.real(ghz @ state @ ghz))
    strings = ["ZZI", "ZIZ", "IZZ", "XXX", "XYY", "YXY", "YYX"]

    def failing(text):
        law, odd = counted(state, text), 0.0
        for outcome, chance in enumerate(law):
            bits = [outcome >> (2 - k) & 1 for k in range(3)]
            sign = sum(bit for bit, letter in zip(bits, text, strict=True) if letter != "I") % 2
            odd += chance * (sign != (text.count("Y") // 2) % 2)
        return odd

    every = [
        Counts(stabiliser=s, tests=tests, failures=int(rng.binomial(tests, failing(s))))
        for s in strings
    ]
    together = counted(state, "ZZZ")
    apart = 1 - together[0] - together[7]
    two = [
        Counts(stabiliser="Z", tests=tests, failures=int(rng.binomial(tests, apart))),
        Counts(stabiliser="X", tests=tests, failures=every[3].failures),
    ]
    mean = np.mean([failing(s) for s in strings])
    random = [Counts(stabiliser="random", tests=tests, failures=int(rng.binomial(tests, mean)))]
    for counts in (every, two, random):
        found = certify(counts, workers=3, delta=1e-6)
        assert 0.5 < found.fidelity_least <= fidelity
        assert fidelity <= (found.fidelity_most or 1)
        assert found.pair_disagreement >= apart / 2 - 1e-9 or found.pair_disagreement >= failing(
            "ZZI"
        )


def test_files_are_read_and_say_what_holds(capsys, tmp_path):
    assert main(["certify", str(EXAMPLES / "three-photons.json"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["fidelity_least"] == pytest.approx(0.851, abs=5e-4)
    assert main(["certify", str(EXAMPLES / "three-photons-shuffled.json")]) == 0
    shown = capsys.readouterr().out
    assert "mask digits a copy" in shown
    assert "0.34" in shown
    table = tmp_path / "counts.csv"
    table.write_text("stabiliser,tests,failures\nZ,1000,3\nX,1000,5\n")
    assert main(["certify", str(table), "--workers", "4", "--delta", "1e-3"]) == 0
    assert "two settings" in capsys.readouterr().out
    table.write_text("stabiliser,tests,failures\nX,1000,5\n")
    assert main(["certify", str(table), "--workers", "4"]) == 0
    assert "certifies nothing, because fidelity takes" in capsys.readouterr().out
    assert qring.certify is certify


def one(stabiliser, tests, failures, workers="3", more=""):
    count = f'{{"stabiliser": "{stabiliser}", "tests": {tests}, "failures": {failures}}}'
    return f'{{"workers": {workers}, {more} "counts": [{count}]}}'


TWICE = (
    '{"workers": 3, "counts": [{"stabiliser": "Z", "tests": 9, "failures": 1},'
    '{"stabiliser": "zzz", "tests": 9, "failures": 1}]}'
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("[]", "no object with a list of counts"),
        ('{"counts": []}', "give --workers"),
        ('{"workers": 3, "counts": []}', "no tests to certify"),
        (one("Z", 5, 6), "not so many"),
        ('{"workers": 3, "counts": [{"stabiliser": "Z", "tests": 5}]}', "count 1 lacks"),
        (one("Z", 5.5, 1), "no integers"),
        (one("Z", "1e999", 1), "no integers"),
        (one("ZII", 5, 1), "no stabiliser"),
        (one("ZZ", 5, 1), "3 letters"),
        (one("Z", 5, 1, workers="1"), "workers"),
        (one("Z", 5, 1, more='"shuffled": "no",'), "shuffled is true or false"),
        (one("Z", 5, 1, more='"colour": 1,'), "unknown fields: 'colour'"),
        (one("Z", 9, 1, more='"untested": 1e300,'), "untested"),
        (TWICE, "counted twice"),
    ],
)
def test_impossible_files_are_refused_with_one_line(tmp_path, capsys, text, said):
    path = tmp_path / "counts.json"
    path.write_text(text)
    assert main(["certify", str(path)]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert said in error[0]


def test_folders_and_missing_files_are_refused(tmp_path, capsys):
    for path in (tmp_path, tmp_path / "none.json"):
        assert main(["certify", str(path)]) == 2
        assert "cannot read" in capsys.readouterr().err
    with pytest.raises(InputError, match="delta"):
        certify(IN_Z, workers=3, delta=0)

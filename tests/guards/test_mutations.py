"""A fault planted in a fast sampler is caught by the tests that compare it with a referee.

Pytest's exit status decides: 0 all passed, 1 a test ran and failed; anything else is no verdict.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import qring

ROOT = Path(__file__).parents[2]
CONTRACT = "tests/contracts/test_networks.py::test_"
REFEREE = "tests/laws/test_referees.py::test_"
DROPOUTS = "tests/laws/test_dropout_laws.py::test_"
PRIVATE = "tests/laws/test_private_laws.py::test_"
PASSED, FAILED = 0, 1

MUTANTS = {
    "a chunk that was about to be sent is summed again": (
        "qring.security.masks.chains",
        "self.doubtful.add(self.path[self.at])",
        "pass",
        [DROPOUTS + "a_private_run_that_aborts_declares_what_it_told[3]",
         DROPOUTS + "private_that_falls_back_tells_one_sum_a_coordinate[0]"],
    ),
    "what was sent in earlier attempts is forgotten": (
        "qring.security.masks.losses",
        "(piece.out | out) & set(gone)",
        "out & set(gone)",
        [DROPOUTS + "attempts_on_the_same_words_count_together"],
    ),
    "who is lost after a chunk has stopped is forgotten": (
        "qring.security.masks.losses",
        "(piece.out | out) & set(gone)",
        "piece.out & set(gone)",
        [DROPOUTS + "attempts_on_the_same_words_count_together"],
    ),
    "blocks that were announced are summed again": (
        "qring.security.fallback",
        "Span(done, reached, everybody, Fate.GIVEN_UP)",
        "Span(done, reached, everybody, Fate.UNTOUCHED)",
        [DROPOUTS + "what_falls_back_was_never_announced"],
    ),
    "X and Z errors of a pair are swapped": (
        "qring.network.pauli",
        "return i / total, x / total, z / total, y / total",
        "return i / total, z / total, x / total, y / total",
        [CONTRACT + "biased_errors_fall_on_pairs_as_often_as_they_should[fast-0]"],
    ),
    "a correction is added instead of taken off": (
        "qring.network.ghz",
        "left = total - correction",
        "left = total + correction",
        [CONTRACT + "announced_outcomes_have_the_law_of_the_state[fast-2-none]"],
    ),
    "V cos φ under biased noise": (
        "qring.network.noise",
        "self.kept * turns + self.turned * turns.conj()",
        "(self.kept + self.turned) * turns",
        [CONTRACT + "announced_outcomes_have_the_law_of_the_state[fast-2-more Y than X]"],
    ),
    "the second quadrature turns the other way": (
        "qring.network.ghz",
        "(0.0, -math.pi / 2)",
        "(0.0, math.pi / 2)",
        [CONTRACT + "tallies_count_odd_parities_in_both_quadratures[fast]"],
    ),
    "the stabiliser's sign is off by one": (
        "qring.network.stabilisers",
        "members.bit_count() % 4 == 2",
        "members.bit_count() % 4 == 3",
        [REFEREE + "stabilisers_are_flagged_as_often_as_in_stim[3]"],
    ),
    "X errors leave the stabilisers of Z alone": (
        "qring.network.stabilisers",
        "odd_bits(copies.bits & strings.sets)",
        "odd_bits(copies.bits & strings.sets & np.uint64(0))",
        [REFEREE + "stabilisers_are_flagged_as_often_as_in_stim[3]"],
    ),
    "a flipped qubit's phase keeps its sign": (
        "qring.network.copies",
        "signs = 1.0 - 2.0 * worker_bits",
        "signs = 1.0 - 0.0 * worker_bits",
        [CONTRACT + "tampered_copies_show_what_their_state_shows[fast-flipped]"],
    ),
    "Y errors of single copies count as Z": (
        "qring.network.faults",
        "bit *= draw < x + y",
        "bit *= draw < x",
        [REFEREE + "z_tests_and_hashed_checks_fail_as_often_as_in_stim[3]"],
    ),
    "a check copy's own errors do not show": (
        "qring.network.hashing",
        "outcomes[checks.where] ^= mine.bits",
        "outcomes[checks.where] ^= mine.bits & np.uint64(0)",
        [REFEREE + "z_tests_and_hashed_checks_fail_as_often_as_in_stim[3]"],
    ),
    "the code behind masks withstands one word less": (
        "qring.encoding.codes.bch_polynomial",
        "np.arange(1, 2 * withstood, 2",
        "np.arange(1, 2 * withstood - 2, 2",
        ["tests/unit/security/test_mask_code.py::"
         "test_the_distance_exceeds_2k_by_exhaustion[4-2]"],
    ),
    "masks are taken out and the cursor stays": (
        "qring.security.masks.file",
        "_CURSOR.pack(moved + 1, stop, seen.rest)",
        "_CURSOR.pack(moved + 1, used, seen.rest)",
        ["tests/unit/security/test_mask_inventory.py::test_going_back_is_refused"],
    ),
    "wrong sums of masks pass": (
        "qring.security.masks.check",
        "& low_bits).any()",
        "& low_bits & np.uint64(0)).any()",
        [PRIVATE + "wrong_sums_pass_at_no_more_than_k_points_whichever_they_are[2]"],
    ),
    "the copies shared first are tested": (
        "qring.security.masks.making",
        "pool.shuffled(self.run.rng).cut",
        "pool.cut",
        [PRIVATE + "bad_copies_are_caught_as_often_as_they_are_tested[1]"],
    ),
    "tied signs agree where they differ": (
        "qring.conflict.phase_state",
        "np.logical_xor(signs.negative(source), signs.negative(partner)",
        "np.logical_and(signs.negative(source), signs.negative(partner)",
        [REFEREE + "tie_audits_measure_what_aer_measures[8]"],
    ),
    "both sides of an adapter are counted twice": (
        "qring.conflict.subspace.tangent",
        "_square(right) - _square(both)",
        "_square(right)",
        ["tests/unit/conflict/test_subspace.py::"
         "test_projectors_are_projectors_of_their_dimension[tangent]"],
    ),
    "the rival's operator keeps its trace": (
        "qring.conflict.subspace.broadcasts",
        "- even * float(vector @ vector)",
        "- 0.5 * even * float(vector @ vector)",
        ["tests/unit/conflict/test_subspace_rivals.py::"
         "test_index_sketches_scatter_as_the_law_that_stands_for_them[0.4]"],
    ),
    "signs that pair up inside groups are weighed alike": (
        "qring.conflict.broadcasts",
        "(pairs - 2 * differ) / (ties.sizes - 1)",
        "(pairs - 2 * differ) / ties.sizes",
        ["tests/unit/conflict/test_tie_rivals.py::"
         "test_the_spread_is_the_largest_over_all_signs_and_positions[2-3-3]"],
    ),
    "a reflection keeps the wrong sign": (
        "qring.conflict.plane",
        "sin * own - cos * rest",
        "sin * own + cos * rest",
        [REFEREE + "gap_ip_accepts_as_often_as_aer[phases2-0.3]"],
    ),
}  # fmt: skip


@pytest.mark.timeout(400)
def test_planted_faults_are_caught_and_without_them_nothing_is(tmp_path):
    for package in ("stim", "qiskit_aer", "scipy"):
        pytest.importorskip(package)
    if not hasattr(os, "fork"):
        pytest.skip("mutants run in forks of one process")
    fields = ("module", "old", "new", "tests")
    every = sorted({test for mutant in MUTANTS.values() for test in mutant[3]})
    jobs = [{"module": "", "old": "", "new": "", "tests": every}]
    jobs += [dict(zip(fields, mutant, strict=True)) for mutant in MUTANTS.values()]
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # plain pytest: it starts faster
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    paths = (Path(qring.__file__).parents[1], ROOT / "tests/laws")  # no conftest is read
    environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("mutants.py")), str(tmp_path)],
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=environment,
        timeout=380,
    )
    sane, *verdicts = json.loads(run.stdout)
    assert sane == PASSED, (tmp_path / "0.log").read_text()
    survived = {
        name: status for name, status in zip(MUTANTS, verdicts, strict=True) if status != FAILED
    }
    assert not survived

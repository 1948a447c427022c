"""``qring allreduce --protocol vga``: what a user sees of a test passed and of one failed."""

import json

import numpy as np
import pytest

from qring.cli.main import main


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    names = []
    for k in range(3):
        names.append(str(tmp_path / f"w{k}.npy"))
        np.save(names[-1], rng.integers(-7, 8, 5))
    return names


def qring(capsys, *words):
    status = main(["allreduce", *words])
    return status, capsys.readouterr()


def test_sums_are_those_of_the_classical_ring_and_the_guarantee_is_printed(files, capsys):
    status, plain = qring(capsys, *files, "--protocol", "classical", "--word-bits", "4", "--json")
    assert status == 0
    for options in (["--epsilon", "2^-20"], ["--verification", "cut-and-choose"]):
        words = [*files, "--protocol", "vga", "--word-bits", "4", *options]
        status, shown = qring(capsys, *words, "--json")
        assert status == 0
        told = json.loads(shown.out)
        assert told["result_hash"] == json.loads(plain.out)["result_hash"]
        assert "bound, finite size" in told["notes"][0]
        assert told["copies_tested"] == (60 if "--epsilon" in options else 30)
    status, shown = qring(capsys, *files, "--protocol", "vga", "--word-bits", "4")
    assert "sums only: the whole round is within ε = 4.55e-13" in shown.out
    assert "copies tested" in shown.out


def test_an_eavesdropper_ends_the_run_with_evidence_and_exit_status_1(files, capsys):
    words = [*files, "--protocol", "vga", "--word-bits", "4", "--adversary", "plus-state"]
    status, shown = qring(capsys, *words)
    assert status == 1
    assert shown.out.startswith("aborted before anything was encoded:")
    assert "ZZZ came out as" in shown.out
    status, shown = qring(capsys, *words, "--json")
    assert status == 1
    told = json.loads(shown.out)
    assert told["aborted"] == "copies failed their tests"
    failed = told["tests"][-1]
    assert failed["failed"] > 0
    assert set(failed["evidence"][0]) == {"copy", "stabiliser", "outcomes"}


def test_the_same_eavesdropper_goes_unseen_without_verification(files, capsys):
    words = [*files, "--protocol", "ghz", "--word-bits", "4", "--adversary", "plus-state"]
    status, shown = qring(capsys, *words, "--adversary-copies", "0,1")
    assert status == 0
    assert "not verified" in shown.err


@pytest.mark.parametrize("words", [
    ["--adversary-copies", "1"], ["--adversary", "plus-state", "--adversary-copies", "x"],
    ["--copies-factor", "1", "--verification", "cut-and-choose"], ["--epsilon", "2"],
    ["--epsilon", "a"], ["--dishonest", "7"], ["--tolerated", "0.7", "--verification",
    "cut-and-choose"], ["--check-block", "0"],
])  # fmt: skip
def test_bad_options_get_one_line_and_exit_status_2(files, capsys, words):
    try:
        status, shown = qring(capsys, *files, "--protocol", "vga", "--word-bits", "4", *words)
    except SystemExit as left:
        status, shown = left.code, capsys.readouterr()
    assert status == 2
    assert len([line for line in shown.err.splitlines() if "bits a word" not in line]) == 1

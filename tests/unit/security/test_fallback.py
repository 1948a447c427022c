"""A lost worker spoils GHZ copies for all: the run ends, or secure aggregation sums the others."""

import hashlib
import json

import numpy as np
import pytest

import qring
from qring import Aborted, Fallback, FixedPoint, Ghz, InputError, SecAgg, Spoiled, Vga
from qring.cli.main import main

pytest.importorskip("cryptography")

WORDS = FixedPoint(word_bits=8, limit=1.0)
ROWS = np.random.default_rng(0).uniform(-1, 1, (5, 30))


def run(method, **settings):
    wrapped = Fallback(method=method, **settings)
    return qring.all_reduce(ROWS, method=wrapped, rng=np.random.default_rng(1))


@pytest.mark.parametrize("method", [Ghz(encoding=WORDS), Vga(ghz=Ghz(encoding=WORDS))])
def test_the_others_are_summed_and_both_rounds_are_charged(method):
    result = run(method, lost=(3,), announced=0, secagg=SecAgg(encoding=WORDS))
    kept = [0, 1, 2, 4]
    alone = qring.all_reduce(ROWS[kept], method=SecAgg(encoding=WORDS))
    assert (result.sum == alone.sum).all()
    assert result.contributors == (0, 1, 2, 4)
    spoiled = qring.Ledger()  # fresh copies are shared as they are read; tested ones before
    if isinstance(method, Vga):
        before = qring.Network().open(5, np.random.default_rng(1))
        method.open(30, before)
        spoiled = before.ledger()
    again = qring.all_reduce(
        ROWS, method=SecAgg(encoding=WORDS, dropouts={3: qring.Stage.ADVERTISE})
    ).ledger
    assert result.ledger == spoiled + again
    assert any("worker 3 spoiled the first round" in caveat for caveat in result.caveats)


def test_without_a_way_back_the_run_ends_with_its_evidence():
    result = run(Ghz(encoding=WORDS), lost=(3, 1))
    assert isinstance(result, Spoiled)
    assert isinstance(result, Aborted)
    assert result.evidence()["lost"] == [3, 1]
    assert "worker 3, 1 fell silent" in str(result)
    assert result.ledger.totals.setup_qubits > 0


def test_who_loses_nobody_sums_as_ever():
    result = run(Ghz(encoding=WORDS), secagg=SecAgg(encoding=WORDS))
    assert isinstance(result, qring.GhzAggregate)


def test_a_fallback_that_ends_too_early_is_an_abort():
    result = run(Ghz(encoding=WORDS), lost=(1, 2, 3), secagg=SecAgg(encoding=WORDS))
    assert isinstance(result, Aborted)


def test_a_spoiled_noisy_round_counts_as_a_round():
    pytest.importorskip("dp_accounting")
    plan = qring.calibrate(
        qring.Promise(epsilon=4, delta=1e-5, clip=1.0, rounds=2),
        workers=5, coords=30, word_bits=16, may_drop=1,
    )  # fmt: skip
    noisy = qring.DistributedGaussian(plan=plan)
    secagg = SecAgg(encoding=noisy)
    result = run(Ghz(encoding=noisy), lost=(3,), secagg=secagg)
    assert isinstance(result, Spoiled)
    assert result.told  # the low digits of a noisy sum
    assert "counts as one of the rounds" in str(result)
    whole = run(Ghz(encoding=noisy), lost=(3,), announced=0, secagg=secagg)
    assert whole.contributors == (0, 1, 2, 4)
    assert whole.is_whole


def test_workers_that_are_none_cannot_be_lost():
    with pytest.raises(InputError, match=r"workers are 0\.\.4"):
        run(Ghz(encoding=WORDS), lost=(5,))


@pytest.fixture
def files(tmp_path):
    for k, row in enumerate(ROWS):
        np.save(tmp_path / f"{k}.npy", row)
    return [str(tmp_path / f"{k}.npy") for k in range(5)]


@pytest.mark.parametrize(("protocol", "drop"), [("ghz", "2:0"), ("vga", "2:0")])
def test_the_command_falls_back(capsys, files, protocol, drop):
    words = ["allreduce", *files, "--protocol", protocol, "--word-bits", "8", "--clip", "1"]
    assert main([*words, "--drop", drop, "--on-dropout", "fallback", "--json"]) == 0
    out, err = capsys.readouterr()
    expected = qring.all_reduce(ROWS[[0, 1, 3, 4]], method=SecAgg(encoding=FixedPoint(
        word_bits=8, limit=1.0, out_of_range=qring.OutOfRange.CLIP)))  # fmt: skip
    assert json.loads(out)["result_hash"] == hashlib.sha256(expected.sum.tobytes()).hexdigest()
    assert "spoiled the first round" in err


def test_the_command_gives_up_what_can_become_known(capsys, files, tmp_path):
    words = ["allreduce", *files, "--word-bits", "8", "--clip", "1", "--on-dropout", "fallback"]
    assert main([*words, "--protocol", "ghz", "--drop", "2"]) == 1
    assert "0..29 may be known: repeat it with the same workers" in capsys.readouterr().out
    out = tmp_path / "sum.npy"
    private = [*words, "--protocol", "private", "--drop", "2:1", "--out", str(out), "--json"]
    assert main(private) == 1
    shown, err = capsys.readouterr()
    own = json.loads(shown)
    assert own["without_sum"] == 6
    assert {span["fate"] for span in own["spans"]} == {"summed", "given up"}
    assert {tuple(span["workers"]) for span in own["spans"]} == {(0, 1, 3, 4), (0, 1, 2, 3, 4)}
    assert not out.exists()
    assert "was not written" in err


def test_the_command_aborts_unless_told_otherwise(capsys, files):
    words = ["allreduce", *files, "--protocol", "ghz", "--word-bits", "8", "--drop", "2"]
    assert main(words) == 1
    assert "worker 2 fell silent" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--protocol", "ghz", "--on-dropout", "recover"], "ghz cannot recover"),
        (["--protocol", "secagg", "--on-dropout", "fallback"], "secagg cannot fallback"),
        (["--protocol", "ghz", "--drop", "x"], "is not WORKER, or WORKER:COORD"),
        (["--protocol", "ghz", "--drop", "9"], "worker 9 cannot be lost"),
    ],
)
def test_answers_a_protocol_does_not_have_are_refused(capsys, files, words, message):
    assert main(["allreduce", *files, "--word-bits", "8", *words]) == 2
    assert message in capsys.readouterr().err

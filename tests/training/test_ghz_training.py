"""Training through GHZ phases: sixteen-bit words cost no accuracy that five seeds could show."""

import json
import statistics
import subprocess
import sys

import pytest

from qring.encoding.formats import width_of_sum
from qring.ledger import Carrier, Ledger, Phase

pytest.importorskip("torch")
pytest.importorskip("mlxtend")


def train(out, *words):
    run = subprocess.run(
        [sys.executable, "-m", "qring.cli.main", "train", "--json", "--out", str(out), *words],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_run_over_ghz_copies_learns_and_accounts_for_every_copy(tmp_path):
    small = ["--data", "digits", "--model", "linear", "--epochs", "2", "--batch", "60"]
    answer = train(tmp_path, "--workers", "3", "--protocol", "ghz", *small)
    assert answer["accuracy"] > 0.8
    assert answer["agreed"]
    copies = answer["steps"] * answer["coords"] * width_of_sum(16, 3)
    ledger = Ledger.from_rows(answer["links"], answer["rounds"])
    shared = ledger.on(0, 2, Phase.SETUP, Carrier.QUBIT)
    # The link 0 → 2 carries GHZ qubits, and pairs for what DDP itself broadcasts at the start:
    # the parameters, two bits a pair, and some bookkeeping.
    assert 0 <= shared - copies - 16 * answer["coords"] < 1_000


def test_a_run_over_verified_copies_ends_with_the_parameters_of_unverified_ones(tmp_path):
    small = ["--data", "digits", "--model", "linear", "--epochs", "1", "--batch", "120"]
    runs = {
        name: train(tmp_path / name, "--workers", "2", "--protocol", name, *small)
        for name in ("ghz", "vga")
    }
    ghz, vga = runs["ghz"], runs["vga"]
    assert vga["result_hash"] == ghz["result_hash"]
    tested = [Ledger.from_rows(run["links"], run["rounds"]).on(1, 0, Phase.SETUP, Carrier.BIT)
              for run in (ghz, vga)]  # fmt: skip
    assert tested[1] - tested[0] == 100 * vga["steps"]  # 80 checks of amplitudes, 20 of phases


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_accuracy_over_five_seeds_is_that_of_float_sums(tmp_path, sweep):
    differences = []
    for seed in range(sweep(5, sample=1)):
        answer = train(tmp_path / str(seed), "--protocol", "ghz", "--compare", "--epochs", "4",
                       "--seed", str(seed))  # fmt: skip
        differences.append(answer["accuracy"] - answer["compared"]["classical"]["accuracy"])
    mean = statistics.mean(differences)
    print(f"\naccuracy of words less that of floats, mean of {len(differences)}: {mean:+.4f}")
    # 1,000 test images: a single difference has a standard error of at most .011 if the two
    # models erred independently; they err together, so 5 standard errors is a generous bound.
    assert abs(mean) <= 5 * 0.011 / len(differences) ** 0.5

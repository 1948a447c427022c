"""The main job, end to end: real ranks, real images, and an account that closed forms explain."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qring.cli.main import main
from qring.encoding.superdense import pairs_for
from qring.ledger import Carrier, Ledger, Phase
from qring.network.noise import BellDiagonal
from qring.training.settings import TrainSettings, add_arguments

pytest.importorskip("torch")
pytest.importorskip("sklearn")

SMALL = ["--data", "digits", "--model", "linear", "--epochs", "2", "--batch", "60"]


def qring(*words, **keywords):
    """Run the command as a user does; pytest's own process must not become a launcher."""
    return subprocess.run(
        [sys.executable, "-m", "qring.cli.main", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        **keywords,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "small"
    run = qring("train", "--workers", 3, *SMALL, "--compare", "--json", "--out", out)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout), out


def test_training_learns_and_ends_with_the_classical_parameters(trained):
    answer, _ = trained
    classical = answer["compared"]["classical"]
    assert answer["protocol"] == "superdense"
    assert answer["workers"] == 3
    assert answer["accuracy"] > 0.8
    assert answer["agreed"]
    assert answer["result_hash"] == classical["result_hash"]
    assert answer["accuracy"] == classical["accuracy"]


def test_every_gradient_bit_is_in_the_account(trained):
    answer, _ = trained
    classical = answer["compared"]["classical"]
    n, steps, bits = 3, answer["steps"], 32 * answer["coords"]
    gradients = steps * 2 * (n - 1) * bits
    parameters = (n - 1) * bits  # DDP broadcasts rank 0's at the start
    bookkeeping = classical["totals"]["online_bits"] - gradients - parameters
    assert 0 <= bookkeeping < 10_000  # shapes and sizes that DDP compares between ranks
    assert answer["totals"]["online_qubits"] == pairs_for(classical["totals"]["online_bits"])
    assert answer["rounds"] == classical["rounds"] >= steps * 2 * (n - 1)


def test_the_page_shows_one_step_of_the_account(trained):
    answer, out = trained
    text = (out / "ring.html").read_text()
    content = re.search(r'<script type="application/json" id="trace-data">(.*?)</script>', text)
    (trace,) = json.loads(content[1])["traces"]
    ledger = Ledger.from_rows(answer["links"], answer["rounds"])
    sent = {}
    for move in (move for moves in trace["rounds"] for move in moves):
        link = trace["names"][move[0]], trace["names"][move[1]]
        sent[link] = sent.get(link, 0) + move[5]
    rest = answer["totals"]["online_qubits"] - answer["steps"] * sum(sent.values())
    assert 0 <= rest - 16 * 2 * answer["coords"] < 5_000  # the first broadcast, and sizes
    for link, qubits in sent.items():
        assert ledger.on(*link, Phase.ONLINE, Carrier.QUBIT) >= answer["steps"] * qubits


def test_totals_are_those_of_the_links_and_each_direction_is_one_way(trained):
    answer, _ = trained
    ledger = Ledger.from_rows(answer["links"], answer["rounds"])
    assert ledger.totals._asdict() == answer["totals"]
    links = {(e.src, e.dst) for e in ledger if e.phase is Phase.ONLINE}
    assert {(0, 1), (1, 2), (2, 0)} <= links
    assert ledger.total(Carrier.EBIT) == ledger.total(Carrier.QUBIT, Phase.SETUP)


def test_the_run_leaves_its_account_behind(trained):
    answer, out = trained
    ledgers = json.loads((out / "ledger.json").read_text())
    assert ledgers["superdense"]["links"] == answer["links"]
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [(m["protocol"], m["epoch"]) for m in metrics] == [
        ("superdense", 1), ("superdense", 2), ("classical", 1), ("classical", 2),
    ]  # fmt: skip


def test_the_same_script_runs_under_torchrun(trained, tmp_path):
    answer, _ = trained
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "3",
               "--master-port", "0", "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0",
               "-m", "qring.training.rank", *SMALL, "--out", str(tmp_path)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["runs"]["superdense"]["result_hash"] == answer["result_hash"]


def test_noise_is_said_aloud_and_the_account_stays(tmp_path, trained):
    clean, _ = trained
    noise = ["--noise", "1e-4", "--seed", "0"]
    run = qring("train", "--workers", 3, *SMALL, *noise, "--json", "--out", tmp_path)
    assert run.returncode == 0, run.stderr
    assert "without error correction" in run.stderr
    answer = json.loads(run.stdout)
    assert answer["totals"] == clean["totals"]
    assert answer["result_hash"] != clean["result_hash"]


def test_audits_are_in_the_metrics_and_leave_the_parameters_alone(tmp_path, trained):
    plain, _ = trained
    words = ["--audit", "ties", "--audit-every", "5", "--out", tmp_path]
    run = qring("train", "--workers", 3, *SMALL, *words)
    assert run.returncode == 0, run.stderr
    metrics = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    audits = [row for row in metrics if "audit" in row]
    assert [row["step"] for row in audits] == list(range(0, plain["steps"], 5))
    for row in audits:
        low, high = row["interval"]
        assert 0 <= low <= row["fraction"] <= high <= 1
        assert row["qubits"] % 10 == 0  # copies of 650 amplitudes
        assert row["winner"] == "classical"
    assert f"{len(audits)} audits: " in run.stdout
    assert "winner: classical" in run.stdout  # a codebook of 16 groups a layer
    assert f"{len(audits)} audits: " in (tmp_path / "ring.html").read_text()
    assert b"fraction in conflict (ties)" in (tmp_path / "audits.svg").read_bytes()
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["runs"]["superdense"]["result_hash"] == plain["result_hash"]


def test_spans_of_adapters_are_audited(tmp_path):
    run = qring("train", "--workers", 2, *SMALL, "--audit", "subspace", "--audit-every", "5",
                "--out", tmp_path)  # fmt: skip
    assert run.returncode == 0, run.stderr
    metrics = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    audits = [row for row in metrics if row.get("audit") == "subspace"]
    assert audits
    for row in audits:
        low, high = row["interval"]
        assert 0 <= low <= row["fraction"] <= high <= 1
        assert row["winner"] in ("quantum", "classical")
    assert "of the step inside the subspace" in run.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--audit", "gossip"], "invalid choice"),
        (
            ["--audit", "conflicts", "--dp-epsilon", "1", "--protocol", "secagg"],
            "beyond what --dp-epsilon promises",
        ),
        (["--audit", "ties", "--audit-every", "0"], "audit_every must be at least 1"),
        (["--workers", "0"], "at least 1 worker"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--batch", "-3"], "batch must be at least 1"),
        (["--learning-rate", "nan"], "learning-rate"),
        (["--noise", "2"], "error probability"),
        (["--seed", "-1"], "seed"),
        (["--data", "imagenet"], "invalid choice"),
        (["--protocol", "avian"], "invalid choice"),
    ],
)
def test_bad_settings_end_in_one_line_before_any_rank_starts(capsys, words, message):
    try:
        status = main(["train", *words])
    except SystemExit as stop:
        status = stop.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_missing_images_say_what_to_install(tmp_path):
    package = tmp_path / "packages" / "sklearn"  # a scikit-learn without its data
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    environment = {**os.environ, "PYTHONPATH": str(package.parent)}
    run = qring("train", *SMALL, "--out", tmp_path / "out", env=environment)
    assert run.returncode == 2
    assert run.stderr.splitlines() == [
        "qring: the data set digits needs the extra [data]: pip install 'qring[data]'"
    ]


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["train", *SMALL, "--out", str(tmp_path / "file" / "runs")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_killed_rank_ends_the_run_and_is_named(tmp_path):
    words = ["train", "--workers", "3", "--data", "digits", "--epochs", "100000"]
    run = subprocess.Popen(
        [sys.executable, "-m", "qring.cli.main", *words, "--out", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        metrics = tmp_path / "metrics.jsonl"
        _wait_until(run, lambda: metrics.exists() and metrics.read_text().count("\n") > 2, 60)
        os.kill(_rank_processes(tmp_path)[1], signal.SIGKILL)
        _, err = run.communicate(timeout=60)
    finally:
        run.kill()
        run.communicate()
    assert run.returncode == 3
    assert "rank 1" in err
    assert "Traceback" not in err
    assert not _rank_processes(tmp_path)


def _rank_processes(out):
    """Process ids by rank of the ranks that write to ``out``."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            environment = dict(
                pair.split(b"=", 1)
                for pair in (entry / "environ").read_bytes().split(b"\0")
                if b"=" in pair
            )
        except OSError:
            continue
        if b"qring.training.rank" in words and str(out).encode() in words:
            found[int(environment[b"RANK"])] = int(entry.name)
    return found


def _wait_until(run, condition, limit_s):
    end = time.monotonic() + limit_s
    while not condition():
        assert run.poll() is None, run.stderr.read()
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.1)


def test_settings_survive_the_command_line():
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    settings = TrainSettings(epochs=3, noise=BellDiagonal(x=1 / 3, z=1e-9), learning_rate=0.1 + 0.2)
    parsed = TrainSettings.from_arguments(parser.parse_args(settings.as_arguments()))
    assert parsed == settings


def test_training_over_another_topology_ends_with_the_same_classical_parameters(tmp_path):
    out = tmp_path / "halving"
    run = qring("train", "--workers", 3, *SMALL, "--epochs", "1", "--topology", "halving",
                "--compare", "--json", "--out", out)  # fmt: skip
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    classical = answer["compared"]["classical"]
    assert answer["agreed"]
    assert answer["result_hash"] == classical["result_hash"]
    assert answer["rounds"] == classical["rounds"]
    links = {(row["src"], row["dst"]) for row in answer["links"]}
    assert links == {(0, 1), (1, 0), (0, 2), (2, 0)}  # rank 1 is folded into rank 0
    assert "One training step over halving" in (out / "ring.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--topology", "torus"], "there is no topology 'torus'"),
        (["--topology", "halving", "--protocol", "ghz"], "--topology is not used by ghz"),
    ],
)
def test_a_topology_that_cannot_be_trained_over_is_refused(words, message, capsys):
    assert main(["train", *words]) == 2
    assert message in capsys.readouterr().err

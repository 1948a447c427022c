"""Training that is stopped, doubled or refused: no rank outlives it, no run spoils another."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

SMALL = ["--workers", "2", "--data", "digits", "--model", "linear", "--epochs", "1"]
LONG = [*SMALL[:-1], "100000"]


def start(*words, **keywords):
    return subprocess.Popen(
        [sys.executable, "-m", "qring", "train", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **keywords,
    )


def ranks(out):
    """Processes that train into a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"qring.training.rank" in words and str(out).encode() in words:
            found.append(int(entry.name))
    return found


def wait_until(condition, limit_s=60):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("early", [True, False])
def test_no_rank_outlives_its_launcher(tmp_path, number, early):
    out = tmp_path / "run"
    run = start(*LONG, "--out", str(out), start_new_session=True)
    if early:  # ranks have been started and import torch
        wait_until(lambda: len(ranks(out)) == 2)
    else:
        metrics = out / "metrics.jsonl"
        wait_until(lambda: metrics.exists() and metrics.read_text().count("\n") > 2)
    if number is signal.SIGINT:
        os.killpg(run.pid, number)  # as a terminal does: to everybody
    else:
        run.send_signal(number)
    _, err = run.communicate(timeout=30)
    wait_until(lambda: not ranks(out), 3)
    assert run.returncode == (130 if number is signal.SIGINT else -number)
    assert "Traceback" not in err
    if number is signal.SIGINT:
        assert err.splitlines()[-1] == "qring: interrupted"
        assert sum(line.startswith("qring:") for line in err.splitlines()) == 1
    if early and number is not signal.SIGKILL:
        assert not out.exists()  # nothing was found, so nothing is kept


def test_runs_that_start_together_have_folders_of_their_own(tmp_path):
    runs = [start(*SMALL, "--json", "--seed", str(k), cwd=tmp_path) for k in (1, 2)]
    answers = []
    for run in runs:
        out, err = run.communicate(timeout=100)
        assert run.returncode == 0, err
        answers.append(json.loads(out))
    assert [answer["settings"]["seed"] for answer in answers] == [1, 2]
    assert answers[0]["out"] != answers[1]["out"]
    used = tmp_path / answers[0]["out"]
    before = {path: path.read_bytes() for path in used.iterdir()}
    again = start(*SMALL, "--out", str(used))
    _, err = again.communicate(timeout=100)
    assert again.returncode == 2
    assert "holds a run already" in err
    assert len(err.splitlines()) == 1
    assert {path: path.read_bytes() for path in used.iterdir()} == before


def test_default_folders_of_one_second_differ(tmp_path, monkeypatch):
    from qring.training import folder

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(folder.time, "strftime", lambda _: "20260101-000000")
    names = []
    for _ in range(3):
        with folder.run_folder(None) as made:
            names.append(made.name)
    assert names == ["20260101-000000", "20260101-000000-2", "20260101-000000-3"]


def test_a_refused_training_leaves_no_folder(tmp_path, monkeypatch):
    from qring.cli.main import main

    monkeypatch.chdir(tmp_path)
    assert main(["train", "--workers", "0"]) == 2
    assert not list(tmp_path.glob("runs/*"))


def test_of_two_claims_one_succeeds_and_failures_give_back(tmp_path):
    from qring.errors import InputError
    from qring.training.folder import claim, claimed

    def interrupted():
        with claimed(tmp_path / "a"):
            with pytest.raises(InputError, match="holds a run already"):
                claim(tmp_path / "a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (tmp_path / "a").exists()
    with claimed(tmp_path / "a"):
        (tmp_path / "a" / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"metrics\.jsonl"):
        claim(tmp_path / "a")

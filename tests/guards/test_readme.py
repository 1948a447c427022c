"""The README is executed: what it shows is what happens."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^    (qring .*)$", TEXT, re.MULTILINE)


def test_the_readme_has_the_parts_that_are_tested_here():
    assert len(PYTHON) == 3
    assert len(COMMANDS) >= 3


@pytest.mark.parametrize("code", PYTHON[:2])
def test_lines_of_python_run(code):
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_three_lines_of_pytorch_run():
    pytest.importorskip("torch")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    one_rank = {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    code = "import torch.distributed\n" + PYTHON[2] + "\ntorch.distributed.destroy_process_group()"
    run = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **one_rank},
    )
    assert run.stdout.startswith("Totals(")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_run(command, tmp_path):
    pytest.importorskip("mlxtend")
    for k in range(4):
        np.save(tmp_path / f"worker{k}.npy", np.random.default_rng(k).normal(size=100))
    np.save(tmp_path / "a.npy", np.eye(50)[0])
    np.save(tmp_path / "b.npy", np.eye(50)[0])
    np.save(tmp_path / "signs.npy", np.tile([1, -1], 50))
    np.save(tmp_path / "matching.npy", np.arange(100).reshape(-1, 2))
    np.save(tmp_path / "gradient.npy", np.random.default_rng(9).normal(size=100))
    np.save(tmp_path / "subspace.npy", np.arange(100).reshape(-1, 2))
    words = shlex.split(command)[1:]
    if words[0] == "train":
        words += ["--epochs", "1"]
    if words[0] == "reproduce":
        words += ["--claim", "figure-1", "--jobs", "1"]
    subprocess.run(
        [sys.executable, "-m", "qring.cli.main", *words], check=True, cwd=tmp_path, timeout=100
    )


def test_shown_output_is_that_of_the_shown_command(tmp_path):
    """The account in the README is exact arithmetic, so a short run must imply its figures."""
    shown = TEXT[TEXT.index("mnist, mlp (101,770 parameters)") :]
    steps = int(re.search(r"(\d+) steps", shown)[1])
    busiest = re.search(r"busiest link +([\d,]+) qubits +([\d,]+) bits", shown)
    qubits, bits = (int(number.replace(",", "")) for number in busiest.groups())
    assert bits in (2 * qubits, 2 * qubits - 1)
    epochs = int(re.search(r"(\d+) epochs", shown)[1])
    run = subprocess.run(
        [sys.executable, "-m", "qring.cli.main", "train", "--epochs", "1", "--json"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=100,
    )
    answer = json.loads(run.stdout)
    assert answer["steps"] * epochs == steps
    per_step = 2 * 3 * 32 * answer["coords"] // 2  # qubits of all links
    expected = answer["totals"]["online_qubits"] + (steps - answer["steps"]) * per_step
    total = int(re.search(r"all links +([\d,]+) qubits", shown)[1].replace(",", ""))
    assert total == pytest.approx(expected, abs=64 * epochs)


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", TEXT))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


GUIDES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_guides_run(guide, tmp_path):
    text = guide.read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)  # later ones go on from earlier
    code = "\n".join(blocks)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=tmp_path)
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (guide.parent / link).exists()

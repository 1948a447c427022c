"""The documentation: its commands run, its site builds without a warning and is whole."""

import glob
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import qring

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").rglob("*.md"))
COMMANDS = {
    page.relative_to(ROOT).as_posix(): re.findall(r"^    (qring .*)$", page.read_text(), re.M)
    for page in DOCS
}
SMALL = ["--data", "digits", "--model", "linear", "--epochs", "1"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page, found in COMMANDS.items() if found])
def test_commands_of_the_documentation_run(page, sweep, tmp_path):
    pytest.importorskip("mlxtend")
    for k in range(4):
        np.save(tmp_path / f"worker{k}.npy", np.random.default_rng(k).normal(size=300))
    np.save(tmp_path / "a.npy", np.eye(50)[0])
    np.save(tmp_path / "b.npy", np.eye(50)[0])
    np.save(tmp_path / "signs.npy", np.tile([1, -1], 50))
    np.save(tmp_path / "matching.npy", np.arange(100).reshape(-1, 2))
    np.save(tmp_path / "gradient.npy", np.random.default_rng(9).normal(size=100))
    np.save(tmp_path / "subspace.npy", np.arange(100).reshape(-1, 2))
    for command in COMMANDS[page]:  # in order: later ones use what earlier ones wrote
        words = shlex.split(command, comments=True)[1:]
        words = [name for word in words for name in _matching(word, tmp_path)]
        if words[0] == "train":
            words += SMALL
        if words[0] == "experiment":
            words = [*words[:2], "--quick"]
        if words[0] == "masks":
            words = [word.replace("1000000", "20000") for word in words]
        subprocess.run(
            [sys.executable, "-m", "qring.cli.main", *words],
            check=True,
            cwd=tmp_path,
            capture_output=True,
            timeout=sweep(300, sample=200),
        )


def _matching(word, folder):
    found = sorted(glob.glob(word, root_dir=folder)) if "*" in word else []  # noqa: PTH207
    return found or [word]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_site_builds_without_a_warning(sweep, tmp_path):
    pytest.importorskip("mkdocstrings")
    pytest.importorskip("material")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=sweep(500, sample=400),
    )
    assert run.returncode == 0, run.stderr
    assert "WARNING -" not in run.stderr
    index = (tmp_path / "index.html").read_text()
    assert all(f"guides/{p.stem}.html" in index for p in (ROOT / "docs" / "guides").glob("*.md"))
    shown = "".join(page.read_text() for page in (tmp_path / "api").glob("*.html"))
    missing = {name for name, home in qring._HOMES.items() if f'id="{home}.{name}"' not in shown}
    assert missing == set()

"""Examples that need no launcher run here, in short form."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mlxtend")
pytest.importorskip("cryptography")
pytest.importorskip("dp_accounting")
pytest.importorskip("scipy")

EXAMPLE = Path(__file__).parents[2] / "examples" / "dp_training.py"


def test_private_training_beats_local_noise_already_in_a_few_epochs():
    run = subprocess.run(
        [sys.executable, str(EXAMPLE), "--epsilon", "0.3", "--seeds", "2", "--epochs", "4"],
        check=True, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    found = dict(re.findall(r"epsilon \S+, (\w+) noise: ([\d.]+)% ±", run.stdout))
    none, shared, local = (float(found[name]) for name in ("no", "shared", "local"))
    # 1,000 test images and 2 seeds: a mean has a standard error of at most 1.2 points.
    assert none > 65
    assert shared > local + 6

"""Claims that hold would be seen to fail: three protocols are broken, and pytest's status tells."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import qring

SOURCE = Path(qring.__file__).parent
TESTS = Path(__file__).parent / "test_claims.py"


def status(source, claim):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TESTS)]
    command += ["-k", f"test_figures_agree_with_the_verdict and {claim}"]
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        command, capture_output=True, check=False, timeout=100, env=environment, cwd=source
    )
    return run.returncode


def copied(folder):
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(SOURCE, folder / "qring", ignore=ignored)


def test_as_they_are_the_claims_pass(tmp_path):
    copied(tmp_path)
    assert status(tmp_path, "(figure-1 or lemma-1 or appendix-c3)") == 0


@pytest.mark.parametrize(
    ("claim", "module", "line", "broken"),
    [
        # A ring that keeps what it should add ends with single words for sums.
        ("figure-1", "schedule/ring.py", "_turn(workers, 1, -t, t + 1, Action.ADD",
         "_turn(workers, 1, -t, t + 1, Action.KEEP"),
        # Outcomes that are not uniform within a parity tell more than the sum.
        ("lemma-1", "network/parity.py", "words[1:] = rng.integers(1 << 64, size",
         "words[1:] = 0 * rng.integers(1 << 64, size"),
        # A measurement that mistakes a pair now and then decides some instances wrongly.
        ("appendix-c3", "conflict/phase_state.py", "return Outcomes(*_noiseless(signs",
         "return Outcomes(np.ones(copies, bool), rng.random(copies) < 0.5, size)\n"
         "        return Outcomes(*_noiseless(signs"),
    ],
    ids=["schedule", "transcript", "measurement"],
)  # fmt: skip
def test_a_falsified_claim_fails_its_test(claim, module, line, broken, tmp_path):
    copy = copied(tmp_path)
    target = copy / module
    text = target.read_text()
    assert text.count(line) == 1
    target.write_text(text.replace(line, broken))
    assert status(tmp_path, claim) == 1

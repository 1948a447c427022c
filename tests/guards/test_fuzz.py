"""A short run of the fuzzer; ``python tests/guards/fuzz.py`` runs as long as one likes."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("safetensors")
FUZZ = Path(__file__).with_name("fuzz.py")


@pytest.mark.parametrize(("what", "count"), [("options", 150), ("files", 150)])
def test_nothing_ends_in_a_traceback(what, count):
    words = [what, "--count", str(count), "--seconds", "60", "--limit", "0.5"]
    run = subprocess.run(
        [sys.executable, str(FUZZ), *words],
        capture_output=True,
        text=True,
        timeout=115,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-1000:]
    assert f"{count} runs" in run.stdout or "runs, by status" in run.stdout


def test_the_fuzzer_finds_planted_faults(monkeypatch, tmp_path):
    import importlib.util

    spec = importlib.util.spec_from_file_location("fuzz", FUZZ)
    fuzz = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)

    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr(fuzz, "main", broken)
    with pytest.raises(fuzz.FindingError, match="ZeroDivisionError"):
        fuzz.run(["privacy"], 5)
    monkeypatch.setattr(fuzz, "main", lambda _: 7)
    with pytest.raises(fuzz.FindingError, match="ends with 7"):
        fuzz.run(["privacy"], 5)
    assert len(list(fuzz.cases())) > 3000

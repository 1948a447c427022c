"""Every benchmark runs and reports; its figures are for people, on an idle machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parents[2] / "benchmarks").glob("bench_*.py"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda path: path.stem)
def test_benchmark_prints_cases_with_ratios_and_targets(script):
    run = subprocess.run(
        [sys.executable, str(script), "--quick", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=590,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    cases = json.loads(run.stdout)
    assert cases
    assert all({"case", "ratio", "target"} <= case.keys() for case in cases)
    assert all(case["ratio"] > 0 for case in cases)


def test_the_guides_table_of_the_backend_is_that_of_the_tracked_results():
    script = BENCHMARKS[0].parent / "backend_table.py"
    found = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr

"""Results stay what they were, bit for bit: ``golden.json`` holds their digests."""

import importlib.util
import json
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("golden", Path(__file__).with_name("golden.py"))
golden = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(golden)
WANTED = json.loads(golden.TABLE.read_text())
CASES = {
    f"{name}; seed {seed}": (run, seed) for name, run in golden.cases() for seed in golden.SEEDS
}


def test_every_run_of_the_table_is_run():
    assert sorted(CASES) == sorted(WANTED)


@pytest.mark.parametrize("case", CASES)
def test_results_are_those_of_the_table(case):
    if "coded" in case:
        pytest.importorskip("ldpc")
    assert golden.outcome(*CASES[case]) == WANTED[case]

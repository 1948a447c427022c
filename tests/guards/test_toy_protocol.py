"""A protocol in sixty lines and one registry line reaches every interface."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import qring
from qring.cli.main import main
from qring.registry import PROTOCOLS

TOY = Path(__file__).parents[2] / "examples" / "toy_protocol.py"
ROWS = np.random.default_rng(0).normal(size=(3, 10)).astype("float32")


@pytest.fixture
def relay():
    spec = importlib.util.spec_from_file_location("toy_protocol", TOY)
    toy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toy)
    PROTOCOLS.add("relay", toy.ENTRY)
    yield toy
    PROTOCOLS.remove("relay")


def test_it_sums_by_name(relay):
    result = qring.all_reduce(ROWS, method="relay")
    assert np.allclose(result.sum, ROWS.sum(axis=0))
    assert result.ledger.rounds == 2
    assert result.ledger.totals.online_bits == 2 * 2 * 10 * 32


def test_the_command_line_runs_lists_prices_and_attacks_it(relay, tmp_path, capsys):
    for number, row in enumerate(ROWS):
        np.save(tmp_path / f"{number}.npy", row)
    files = [str(tmp_path / f"{number}.npy") for number in range(3)]
    assert main(["allreduce", *files, "--protocol", "relay", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["online_bits"] == 1280
    assert main(["protocols", "--json"]) == 0
    assert "relay" in [row["name"] for row in json.loads(capsys.readouterr().out)["protocols"]]
    assert main(["privacy", "--json"]) == 0
    assert "relay" in [row["protocol"] for row in json.loads(capsys.readouterr().out)["protocols"]]
    assert main(["attack", "--attack", "wiretap", "--protocol", "relay", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["leak_bits"] == found["word_bits"]
    assert main(["allreduce", *files, "--protocol", "relay", "--visibility", ".9"]) == 2
    assert "--visibility is not used by relay" in capsys.readouterr().err


def test_the_generic_hook_takes_it(relay):
    torch = pytest.importorskip("torch")
    import qring.torch

    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        for method in ("relay", relay.Relay(qring.FloatBits()), "superdense", "ghz"):
            if method == "ghz":
                continue  # a GHZ state is shared by two workers at least
            state, mean = qring.torch.hook(method)
            model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(3, 2))
            model.register_comm_hook(state, mean)
            model(torch.ones(4, 3)).sum().backward()
            assert torch.equal(model.module.weight.grad, torch.full((2, 3), 4.0))
            assert state.ledger.rounds == (2 if method != "superdense" else 0)
        with pytest.raises(qring.InputError, match="no protocol 'relais'; choose one"):
            qring.torch.hook("relais")
    finally:
        torch.distributed.destroy_process_group()


def test_training_finds_it_by_its_entry_point(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    package = tmp_path / "relay-0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: relay\nVersion: 0\n")
    (package / "entry_points.txt").write_text("[qring.protocols]\nrelay = toy_protocol:ENTRY\n")
    paths = [str(tmp_path), str(TOY.parent), os.environ.get("PYTHONPATH", "")]
    command = ["train", "--protocol", "relay", "--data", "digits", "--model", "linear", "--json",
               "--workers", "2", "--epochs", "1", "--out", str(tmp_path / "run")]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "qring.cli.main", *command],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["protocol"] == "relay"
    assert found["accuracy"] > 0.5
    assert found["rounds"] >= 2 * found["steps"]  # beside what DDP itself sends
    assert found["agreed"]


def test_names_are_unique_and_unknown_ones_are_listed(relay):
    with pytest.raises(qring.InputError, match="protocol 'relay' already"):
        PROTOCOLS.add("relay", relay.ENTRY)
    with pytest.raises(qring.InputError, match="no protocol 'gzh'; choose one of super"):
        qring.all_reduce(ROWS, method="gzh")
    assert set(PROTOCOLS) >= {"superdense", "classical", "ghz", "vga", "private", "secagg"}


@pytest.mark.parametrize("name", ["superdense", "classical", "ghz", "vga", "private", "secagg"])
def test_every_protocol_sums_by_name(name):
    if name == "secagg":
        pytest.importorskip("cryptography")
    whole = np.random.default_rng(1).integers(-9, 10, size=(3, 6))
    result = qring.all_reduce(whole, method=name, rng=np.random.default_rng(0))
    assert (result.sum == whole.sum(axis=0)).all()
    reals = qring.all_reduce(ROWS, method=name, rng=np.random.default_rng(0))
    assert np.allclose(reals.sum, ROWS.sum(axis=0), atol=1e-3)
    entry = PROTOCOLS[name]
    assert entry.about
    assert entry.wire
    assert entry.closed_form or name == "secagg"


@pytest.mark.parametrize("name", ["superdense", "ghz", "vga", "private", "classical"])
def test_closed_forms_that_entries_name_are_there(name):
    place = PROTOCOLS[name].closed_form
    module, _, attribute = place.rpartition(".")
    try:
        importlib.import_module(place)
    except ModuleNotFoundError:
        assert hasattr(importlib.import_module(module), attribute)

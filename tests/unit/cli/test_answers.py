"""The head that all commands' JSON objects share."""

import json

import numpy as np
import pytest

import qring
from qring.cli.answer import SCHEMA
from qring.cli.main import main


@pytest.fixture
def files(tmp_path):
    rows = np.random.default_rng(0).normal(size=(3, 8))
    for number, row in enumerate(rows):
        np.save(tmp_path / f"{number}.npy", row)
    np.save(tmp_path / "signs.npy", np.where(rows[0] > 0, 1, -1))
    np.save(tmp_path / "pairs.npy", np.arange(8).reshape(4, 2))
    return tmp_path


COMMANDS = {
    "allreduce": ["0.npy", "1.npy", "2.npy", "--protocol", "ghz", "--word-bits", "6"],
    "attack": ["--attack", "wiretap", "--protocol", "classical"],
    "dp": ["--epsilon", "2", "--coords", "100"],
    "gapip": ["0.npy", "1.npy", "--margin", "0.3", "--error", "0.1"],
    "privacy": ["--coords", "1000"],
    "protocols": [],
    "tieaudit": ["signs.npy", "pairs.npy", "--epsilon", "0.3", "--delta", "0.3"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_answer_begins_alike(command, files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    if command in ("gapip", "tieaudit"):
        pytest.importorskip("scipy")
    assert main([command, *COMMANDS[command], "--json"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1
    found = json.loads(out)
    assert list(found)[:6] == ["schema", "command", "version", "seed", "noise", "options"]
    assert (found["schema"], found["command"]) == (SCHEMA, command)
    assert found["version"] == qring.__version__
    assert found["seed"] == (0 if "seed" in found["options"] else None)
    assert not {"run", "json", "given", "command"} & set(found["options"])
    # Copies of a state that the answer was read from, and nothing else, are called copies.
    assert ("copies" in found) == (command in ("allreduce", "tieaudit"))


def test_an_aborted_run_answers_in_the_same_form(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    words = ["allreduce", "0.npy", "1.npy", "2.npy", "--protocol", "vga", "--word-bits", "6",
             "--adversary", "plus-state", "--json", "--seed", "7"]  # fmt: skip
    assert main(words) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["seed"]) == (SCHEMA, 7)
    assert found["options"]["adversary"] == "plus-state"
    assert found["aborted"]

"""Pages that runs write hold the trace of the run, which adds up to its ledger."""

import json
import re

import numpy as np
import pytest

from qring.cli.main import main


def embedded(path):
    text = path.read_text(encoding="utf-8")
    content = re.search(r'<script type="application/json" id="trace-data">(.*?)</script>', text)
    return json.loads(content[1])


def loads(trace, column):
    found = {}
    for moves in trace["rounds"]:
        for move in moves:
            link = trace["names"][move[0]], trace["names"][move[1]]
            found[link] = found.get(link, 0) + move[column]
    return found


@pytest.fixture
def files(tmp_path):
    paths = []
    for k in range(3):
        paths.append(str(tmp_path / f"worker{k}.npy"))
        np.save(paths[-1], np.random.default_rng(k).normal(size=40).astype(np.float32))
    return paths


@pytest.mark.parametrize(
    ("protocol", "carrier", "column"), [("superdense", "qubit", 5), ("classical", "bit", 4)]
)
@pytest.mark.parametrize("words", [[], ["--word-bits", "7"]])
def test_an_allreduce_draws_its_own_trace(
    capsys, files, tmp_path, protocol, carrier, column, words
):
    page = tmp_path / "ring.html"
    command = ["allreduce", *files, "--protocol", protocol, "--page", str(page), "--json", *words]
    assert main(command) == 0
    answer = json.loads(capsys.readouterr().out)
    content = embedded(page)
    assert content["quantum"] is (protocol == "superdense")
    (trace,) = content["traces"]
    assert len(trace["rounds"]) == answer["rounds"]
    charged = {
        (row["src"], row["dst"]): row["count"]
        for row in answer["links"]
        if row["phase"] == "online" and row["carrier"] == carrier
    }
    assert loads(trace, column) == charged


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--protocol", "secagg", "--word-bits", "8", "--page", "x.html"], "announces outcomes"),
        (["--page", "no/such/folder/x.html"], "there is no such folder"),
    ],
)
def test_pages_that_cannot_be_are_refused_before_the_run(capsys, files, words, message):
    assert main(["allreduce", *files, *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1

"""``qring schedule``, and the options of ``qring allreduce`` that choose a schedule."""

import json

import numpy as np
import pytest

from qring.cli.main import main
from qring.schedule.formats.chakra import read_chakra

WORDS = 16  # qubits of a float32


@pytest.fixture
def files(tmp_path):
    def make(workers, coords):
        paths = []
        for k in range(workers):
            path = tmp_path / f"{coords}_{k}.npy"
            np.save(path, np.random.default_rng(k).normal(size=coords).astype(np.float32))
            paths.append(str(path))
        return paths

    return make


ORACLES = [  # topology, workers, words: rounds, total, busiest link
    ("ring:clockwise", 4, 840, 6, 5040, 1260),
    ("ring:clockwise", 7, 840, 12, 10080, 1440),
    ("halving", 4, 840, 4, 5040, 840),
    ("halving", 5, 840, 6, 6720, 840),
    ("halving", 12, 840, 8, 18480, 840),
    ("hierarchical:4x2", 8, 840, 8, 11760, 1260),
    ("doubling", 4, 840, 2, 6720, 840),
    ("shards", 4, 840, 2, 5040, 420),
    ("server", 4, 840, 2, 6720, 840),
    ("ring:clockwise", 3, 10, 4, 40, 14),
    ("ring:clockwise", 6, 10, 10, 100, 18),
]


@pytest.mark.parametrize("case", ORACLES, ids=str)
def test_allreduce_prints_what_the_literature_says(case, files, capsys):
    text, workers, coords, rounds, total, busiest = case
    assert main(["allreduce", *files(workers, coords), "--topology", text, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["topology"], found["rounds"]) == (text, rounds)
    assert found["totals"]["online_qubits"] == WORDS * total
    assert found["busiest_link"] == {"qubits": WORDS * busiest, "bits": 0}
    assert found["agreed"]


def test_allreduce_has_levels_with_carriers_of_their_own(files, capsys):
    words = ["allreduce", *files(4, 8), "--topology", "hierarchical:2x2", "--inside", "classical"]
    assert main([*words, "--json"]) == 0
    links = json.loads(capsys.readouterr().out)["links"]
    kinds = {(row["src"], row["dst"], row["carrier"]) for row in links}
    assert (0, 1, "bit") in kinds
    assert (0, 2, "qubit") in kinds
    assert (0, 1, "qubit") not in kinds
    assert main(words) == 0
    assert "topology hierarchical:2x2" in capsys.readouterr().out


def test_a_schedule_goes_out_and_comes_back_in(files, tmp_path, capsys):
    paths = files(6, 30)
    for kind, name in (("msccl", "a.xml"), ("json", "a.json")):
        out = tmp_path / name
        assert main(["schedule", "hierarchical:2x3", "--format", kind, "--out", str(out)]) == 0
        assert main(["schedule", str(out), "--check"]) == 0
        assert "right: hierarchical all-reduce" in capsys.readouterr().out
        assert main(["allreduce", *paths, "--schedule", str(out), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["topology"] == str(out)
        assert main(["allreduce", *paths, "--topology", "hierarchical:2x3", "--json"]) == 0
        known = json.loads(capsys.readouterr().out)
        assert (found["totals"], found["result_hash"]) == (known["totals"], known["result_hash"])


def test_the_account_of_a_foreign_schedule_counts_qubits_and_pairs_a_link(tmp_path, capsys):
    out = tmp_path / "ring.xml"
    assert main(["schedule", "ring", "--workers", "3", "--format", "msccl", "--out", str(out)]) == 0
    words = ["schedule", str(out), "--coords", "30", "--word-bits", "8"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["totals"]["online_qubits"] == 4 * 30 * 8 // 2
    assert found["totals"]["ebits"] == found["totals"]["setup_qubits"] == 4 * 30 * 8 // 2
    assert main(words) == 0
    table = capsys.readouterr().out
    assert "pairs ready before" in table
    assert "0 → 1" in table


def test_traces_for_other_tools(tmp_path, capsys):
    assert main(["schedule", "server", "--workers", "3", "--format", "perfetto"]) == 0
    assert json.loads(capsys.readouterr().out)["traceEvents"]
    prefix = tmp_path / "halving"
    words = ["schedule", "halving", "--workers", "4", "--format", "chakra", "--out", str(prefix)]
    assert main([*words, "--coords", "40"]) == 0
    assert '"all-reduce-implementation-custom"' in capsys.readouterr().out
    for rank in range(4):
        assert read_chakra((tmp_path / f"halving.{rank}.et").read_bytes())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["schedule", "torus"], "'torus' is neither a topology"),
        (["schedule", "ring"], "ring --workers N"),
        (["schedule", "ring", "--workers", "0"], "lies in 1..4096"),
        (["schedule", "hierarchical:2x2", "--workers", "5"], "4 in all; there are 5"),
        (["schedule", "ring", "--workers", "3", "--root", "1"], "all-reduce has no root"),
        (["schedule", "ring", "--workers", "3", "--coords", "0"], "--coords must be at least 1"),
        (["schedule", "ring", "--workers", "3", "--format", "chakra"], "give --out PREFIX"),
        (
            ["schedule", "ring", "--workers", "3", "--format", "chakra", "--out", "x",
             "--word-bits", "7"],
            "multiple of 8",
        ),
        (["schedule", "ring", "--workers", "3", "--check", "--out", "x"], "leave out --format"),
        (["schedule", "ring", "--workers", "3", "--format", "msccl", "--json"], "belongs to"),
        (
            ["schedule", "ring", "--workers", "3", "--collective", "reduce", "--format", "msccl"],
            "MSCCL has no reduce",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(words, message, capsys):
    assert main(words) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1


def test_allreduce_refuses_what_does_not_fit(files, tmp_path, capsys):
    paths = files(3, 4)
    other = tmp_path / "four.json"
    main(["schedule", "ring", "--workers", "4", "--format", "json", "--out", str(other)])
    wrong = tmp_path / "wrong.json"
    wrong.write_text(
        other.read_text().replace('"add"', '"keep"', 1).replace('"workers": 4', '"workers": 4')
    )
    bomb = tmp_path / "bomb.xml"
    bomb.write_text('<!DOCTYPE a [<!ENTITY b "c">]><algo name="&b;"/>')
    for words, message in (
        (["--topology", "torus"], "there is no topology 'torus'"),
        (["--topology", "hierarchical:2x2"], "4 in all; there are 3"),
        (["--schedule", str(other)], "is for 4 workers; there are 3 files"),
        (["--schedule", str(bomb)], "document type, entities"),
        (["--schedule", str(tmp_path / "none.xml")], "is not a file"),
        (["--schedule", str(other), "--topology", "tree"], "leave one of the two out"),
        (["--inside", "classical"], "--inside is used by superdense with --topology only"),
        (["--topology", "tree", "--inside", "classical"], "inside the hosts of a hierarchy"),
        (["--topology", "tree", "--protocol", "secagg", "--word-bits", "8"], "not used by secagg"),
        (["--topology", "tree:70", "--page", str(tmp_path / "p.html")], "up to 16 workers and 64"),
    ):
        assert main(["allreduce", *paths, *words]) == 2
        assert message in capsys.readouterr().err
    assert main(["schedule", str(wrong), "--check"]) == 2
    assert "is wrong" in capsys.readouterr().err

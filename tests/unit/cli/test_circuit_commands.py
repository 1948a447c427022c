"""``qring circuit`` and ``qring device`` as a user meets them."""

import json

import pytest

from qring.cli.main import main

pytest.importorskip("qiskit_aer", reason="needs the extra [qiskit]")

NAMES = ["superdense", "ghz", "phase-digits", "stabiliser-test", "hashed-check", "z-test",
         "tie-audit", "gap-ip", "gap-ip-phase"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_circuit_is_written_without_options(name, capsys):
    assert main(["circuit", name, "--format", "qasm3"]) == 0
    assert capsys.readouterr().out.startswith("OPENQASM 3.0;")


def test_a_circuit_is_drawn_in_characters_unless_told_otherwise(capsys):
    assert main(["circuit", "superdense", "--bits", "11"]) == 0
    assert "half_0" in capsys.readouterr().out


def test_stim_takes_a_stabiliser_that_is_fixed(capsys):
    pytest.importorskip("stim", reason="needs the extra [stim]")
    fixed = ["circuit", "stabiliser-test", "--format", "stim", "--stabiliser=-YXY"]
    assert main(fixed) == 0
    assert "S_DAG 0" in capsys.readouterr().out
    assert main(fixed[:-1]) == 2
    assert capsys.readouterr().err.startswith("qring: stim can apply X and Z on condition")


def test_netqasm_is_for_two_workers(capsys):
    pytest.importorskip("netqasm", reason="needs the extra [netqasm]")
    assert main(["circuit", "ghz", "--format", "netqasm", "--workers", "2"]) == 0
    assert "create_epr" in capsys.readouterr().out
    assert main(["circuit", "ghz", "--format", "netqasm"]) == 2


def test_a_run_prints_what_the_protocol_reads(capsys):
    assert main(["circuit", "phase-digits", "--words", "3,2", "--shots", "20", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["outcomes"] == [{"outcome": 5, "count": 20}]
    assert main(["circuit", "tie-audit", "--shots", "40"]) == 0
    assert capsys.readouterr().out.split("\n")[0].split() == ["pair", "differs", "shots"]


def test_a_card_is_made_and_used(tmp_path, capsys):
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra [ibm]")
    card = tmp_path / "manila.json"
    assert main(["device", "FakeManilaV2", "--line", "2", "--out", str(card)]) == 0
    run = ["circuit", "superdense", "--shots", "2000", "--device", str(card), "--json"]
    assert main(run) == 0
    answer = json.loads(capsys.readouterr().out)
    counts = {row["outcome"]: row["count"] for row in answer["outcomes"]}
    assert 1500 < counts[2] < 2000
    assert any("idle qubits" in caveat for caveat in answer["caveats"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["circuit", "superdense", "--bits", "2"], "two bits"),
        (["circuit", "superdense", "--device", "x.json"], "--shots"),
        (["circuit", "superdense", "--shots", "0"], "outside 1.."),
        (["circuit", "superdense", "--shots", "1", "--seed", "-1"], "outside 0..2^63-1"),
        (["circuit", "superdense", "--shots", "1", "--device", "no.json"], "cannot read"),
        (["circuit", "ghz", "--phases", "a,b"], "separated by commas"),
        (["circuit", "ghz", "--draw", "x.gif"], ".png"),
        (["circuit", "hashed-check", "--subset", "12"], "one digit a copy"),
        (["circuit", "tie-audit", "--signs", "+0"], "+ and -"),
        (["circuit", "tie-audit", "--pairs", "0-1-2"], "like 0-5"),
        (["circuit", "tie-audit", "--pairs", "x"], "separated by commas"),
        (["circuit", "gap-ip", "--passes", "0"], "outside 1.."),
        (["device", "FakeManilaV2", "--line", "1"], "2 to 12"),
    ],
)
def test_bad_input_is_one_line_and_status_2(words, says, capsys):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_bad_qubits_are_refused(tmp_path, capsys):
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra [ibm]")
    assert main(["device", "FakeManilaV2", "--qubits", "a"]) == 2
    assert main(["device", "FakeManilaV2", "--qubits", "0,9"]) == 2
    assert main(["device", "FakeManilaV2", "--out", str(tmp_path / "no" / "x.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_shots_of_several_calls_add_up_under_seeds_of_their_own(capsys, monkeypatch):
    from qring.cli import circuit

    seeds, whole = [], circuit.aer_sampling
    monkeypatch.setattr(circuit, "_AT_ONCE", 50)
    monkeypatch.setattr(circuit, "aer_sampling", lambda seed: seeds.append(seed) or whole(seed))
    words = ["circuit", "stabiliser-test", "--shots", "120", "--seed", str(2**63 - 1), "--json"]
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out)
    assert sum(outcome["count"] for outcome in answer["outcomes"]) == 120
    assert seeds[0] == 2**63 - 1
    assert len(set(seeds)) == 3
    assert all(0 <= seed < 2**63 for seed in seeds)

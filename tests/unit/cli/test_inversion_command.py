import json

import pytest

from qring.cli.main import main

pytest.importorskip("sklearn")

ATTACK = ["attack", "--attack", "gradient-inversion", "--images", "64"]


def test_table_shows_that_sums_leak_and_noise_does_not(capsys):
    pytest.importorskip("dp_accounting")
    assert main([*ATTACK, "--clients", "1", "8", "--dp-epsilon", "8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "digits, 64-128-10" in lines[0]
    single, eight = lines[4].split(), lines[5].split()
    assert single[:2] == ["1", "100.0%"]
    assert single[-1] == "-"  # one client has nobody to share noise with
    assert eight[0] == "8"
    assert float(eight[1].rstrip("%")) > 50
    assert "0.0%" in eight
    assert "proves nothing" in lines[-1]


def test_json_holds_counts_and_intervals(capsys):
    assert main([*ATTACK, "--clients", "2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (row,) = answer["sums"]
    assert row["clients"] == 2
    assert row["images"] == 64
    assert row["recovered"] == 64
    assert row["interval"][0] < row["share"] == 1.0
    assert answer["noisy_sums"] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["attack", "--attack", "wiretap"], "--attack wiretap needs --protocol"),
        ([*ATTACK[:-1], "0"], "--images lies in 1..1438"),
        ([*ATTACK, "--clients", "65"], "65 clients need as many images"),
    ],
)
def test_bad_input_ends_in_one_line(capsys, words, message):
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line

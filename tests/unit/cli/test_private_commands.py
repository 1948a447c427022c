"""The command line of private sums: the sum, the masks made ahead, and the bill."""

from __future__ import annotations

import json

import numpy as np
import pytest

from qring.cli.main import main


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for worker in range(3):
        path = tmp_path / f"worker{worker}.npy"
        np.save(path, rng.normal(size=50).astype(np.float32))
        paths.append(str(path))
    return paths


def answer(capsys, *words, status=0):
    assert main([*words, "--json"]) == status
    return json.loads(capsys.readouterr().out)


WORDS = ["--word-bits", "12", "--clip", "3", "--epsilon", "2^-10"]


def test_a_private_sum_is_that_of_superdense_and_says_what_vouches_for_it(files, capsys):
    own = answer(capsys, "allreduce", *files, "--protocol", "private", *WORDS)
    plain = answer(capsys, "allreduce", *files, *WORDS[:4])
    assert own["result_hash"] == plain["result_hash"]
    assert own["totals"]["online_qubits"] == plain["totals"]["online_qubits"]
    assert own["totals"]["setup_qubits"] > plain["totals"]["setup_qubits"]
    assert own["epsilon_secrecy"] == 2**-10
    assert 2**-10 < own["epsilon_correctness"] <= 2 * 2**-10
    assert own["epsilon_total"] == own["epsilon_secrecy"] + own["epsilon_correctness"]
    assert own["contributors"] == 3
    assert own["copies_shared"] > own["copies_tested"] > 0
    assert main(["allreduce", *files, "--protocol", "private", *WORDS]) == 0
    shown = capsys.readouterr()
    assert "secrecy epsilon 0.000977, correctness epsilon 0.00174, total 0.00272" in shown.out
    assert "caution: epsilon 0.000977 is a bound" in shown.err


def test_masks_are_made_ahead_counted_and_used_up(files, capsys, tmp_path):
    folder = str(tmp_path / "masks")
    ask = ["--workers", "3", "--word-bits", "12", "--epsilon", "2^-10"]
    made = answer(capsys, "masks", folder, "--make", "120", *ask)
    assert (made["masks"], made["left"], made["sum_bits"]) == (120, 120, 14)
    assert made["copies_shared"] > 120 * 14
    firsts = [
        answer(capsys, "allreduce", *files, "--protocol", "private", "--masks", folder, *WORDS)
        for _ in range(2)
    ]
    assert [found["first_mask"] for found in firsts] == [0, 50]
    assert firsts[0]["result_hash"] == firsts[1]["result_hash"]
    assert answer(capsys, "masks", folder)["left"] == 20
    assert main(["allreduce", *files, "--protocol", "private", "--masks", folder, *WORDS]) == 2
    assert "50 masks are needed" in capsys.readouterr().err
    assert main(["masks", folder, "--make", "5", *ask]) == 2
    assert "exists already" in capsys.readouterr().err
    assert made["epsilon_total"] == made["epsilon_secrecy"] + made["epsilon_correctness"]
    assert made["epsilon_secrecy"] == 2**-10 >= made["epsilon_correctness"]
    assert main(["masks", folder]) == 0
    assert "corrupted words withstood" in capsys.readouterr().out


def test_an_eavesdropper_ends_the_run_with_status_1(files, capsys):
    copies = ",".join(map(str, range(400)))
    tampering = ["--adversary", "plus-state", "--adversary-copies", copies]
    own = answer(capsys, "allreduce", *files, "--protocol", "private", *WORDS, *tampering, status=1)
    assert own["aborted"] == "a tested copy was not what it should be"
    assert own["failed"] > 0
    assert own["totals"]["online_qubits"] == 0


def test_a_damaged_file_of_masks_is_refused_with_one_line(files, capsys, tmp_path):
    folder = tmp_path / "masks"
    ask = ["--workers", "3", "--word-bits", "12", "--epsilon", "2^-10"]
    answer(capsys, "masks", str(folder), "--make", "120", *ask)
    path = folder / "worker-1.masks"
    body = bytearray(path.read_bytes())
    body[4096 + 30] ^= 4
    path.write_bytes(body)
    private = ["--protocol", "private", "--masks", str(folder), *WORDS]
    assert main(["allreduce", *files, *private]) == 2
    shown = capsys.readouterr()
    assert "check sum is wrong; make new masks" in shown.err.splitlines()[-1]
    assert shown.out == ""
    assert path.read_bytes() == bytes(body)
    assert answer(capsys, "masks", str(folder))["left"] == 120


@pytest.mark.parametrize("name", ["online-flips", "online-shift"])
def test_who_changes_qubits_online_ends_the_run_and_is_located(files, capsys, name):
    ask = ["allreduce", *files, "--protocol", "private", *WORDS, "--adversary", name]
    own = answer(capsys, *ask, status=1)
    assert own["aborted"].startswith("the ring's result failed its check")
    assert len(own["changed_links"]) >= 3
    unseen = answer(capsys, *ask, "--online-check", "left-out")
    assert unseen["agreed"] is (name == "online-shift")
    assert unseen["epsilon_total"] == 1
    assert main([*ask, "--adversary-copies", "3"]) == 2
    assert "leaves them alone" in capsys.readouterr().err
    assert main(["allreduce", *files, "--protocol", "ghz", *WORDS[:4], "--adversary", name]) == 2
    assert "choose --protocol private" in capsys.readouterr().err


def test_lost_workers(files, capsys):
    lost = ["--protocol", "private", *WORDS, "--drop", "1:2"]
    own = answer(capsys, "allreduce", *files, *lost, status=1)
    assert own["lost"] == [1]
    assert {span["fate"] for span in own["spans"]} == {"given up"}
    assert "Private" not in own["aborted"]
    own = answer(capsys, "allreduce", *files, *lost, "--on-dropout", "by-chunk", status=1)
    assert own["contributors"] == 3
    assert own["without_sum"] > 0
    lost[-1] = "1:3"
    own = answer(capsys, "allreduce", *files, *lost, "--on-dropout", "by-chunk")
    assert own["without_sum"] == 0
    assert [told["workers"] for told in own["told"]] == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--protocol", "private"], "carries words, not float bits"),
        (["--protocol", "private", *WORDS, "--drop", "1:mask"], "is not WORKER:ROUND"),
        (["--protocol", "private", *WORDS, "--drop", "7:1"], "worker 7 cannot drop out"),
        (["--protocol", "private", *WORDS, "--on-dropout", "recover"], "private cannot recover"),
        (["--protocol", "private", *WORDS, "--masks", "nowhere"], "there is no folder nowhere"),
        (
            ["--protocol", "secagg", *WORDS[:4], "--on-dropout", "by-chunk"],
            "secagg cannot by-chunk",
        ),
    ],
)
def test_bad_input_gets_one_line(files, words, said, capsys):
    assert main(["allreduce", *files, *words]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("qring: ")
    assert said in error


def test_the_bill(capsys):
    own = answer(capsys, "privacy", "--rounds", "100", "--epsilon", "2^-40")
    names = [bill["protocol"] for bill in own["protocols"]]
    assert "private" in names
    assert "QKD + one-time pads, tree" in names
    assert own["sum_bits"] == 20
    assert set(own["fewest"]) == {"outsider", "coalitions"}
    assert main(["privacy", "--workers", "3", "--coords", "1000"]) == 0
    shown = capsys.readouterr().out
    assert "bound, finite size" in shown
    assert "fewest against coalitions" in shown
    assert main(["privacy", "--workers", "1"]) == 2
    assert "at least 2 workers" in capsys.readouterr().err


def test_prices_at_the_noise_that_is_there_name_who_sends_fewest_qubits(capsys):
    own = answer(capsys, "privacy", "--visibility", "0.95")
    prices = {price["protocol"]: price["qubits"] for price in own["noisy"]}
    assert prices["masks"] == pytest.approx(12.3, rel=0.01)
    assert prices["keys, all pairs"] == pytest.approx(46.6, rel=0.01)
    assert own["fewest_qubits_at_this_noise"] == {"outsider": "keys, tree", "coalitions": "masks"}
    assert main(["privacy", "--qubit-noise", "0.001,0.001,0", "--workers", "4"]) == 0
    assert "fewest qubits at this noise against coalitions: masks" in capsys.readouterr().out
    assert main(["privacy", "--visibility", "0.5", "--coords", "1000"]) == 0
    assert "nothing is left" in capsys.readouterr().out
    assert main(["privacy", "--visibility", "1.5"]) == 2
    assert main(["privacy", "--qubit-noise", "much"]) == 2


def test_noisy_copies_are_summed_over_exactly_or_refused_clearly(files, capsys, tmp_path):
    plain = answer(capsys, "allreduce", *files, *WORDS[:4])
    noisy = ["--protocol", "private", *WORDS, "--visibility", "0.95", "--qubit-noise", "0.001"]
    own = answer(capsys, "allreduce", *files, *noisy)
    assert own["result_hash"] == plain["result_hash"]
    assert own["epsilon_secrecy"] <= 2**-10 * (1 + 1e-9)
    low = ["allreduce", *files, "--protocol", "private", *WORDS, "--visibility", "0.7"]
    assert main(low) == 2
    error = capsys.readouterr().err.splitlines()
    assert "no mask is left of 50" in error[-1]
    assert "or make a larger batch" in error[-1]
    folder = str(tmp_path / "masks")
    ask = ["--make", "500", "--workers", "3", "--word-bits", "12", "--epsilon", "2^-10"]
    made = answer(capsys, "masks", folder, *ask, "--visibility", "0.95")
    assert made["failing_tests_tolerated"] > 0
    assert made["pads_for_syndromes"] > 0

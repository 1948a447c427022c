import json

import numpy as np
import pytest

from qring.cli.main import main
from qring.theory.resources import RingResources


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for k in range(4):
        paths.append(str(tmp_path / f"worker{k}.npy"))
        np.save(paths[-1], rng.normal(size=(5, 7)).astype(np.float32))
    return paths


def run(capsys, *words):
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


def refused(capsys, *words):
    try:
        status = main([str(word) for word in words])
    except SystemExit as stop:
        status = stop.code
    out, err = capsys.readouterr()
    assert status == 2
    assert out == ""
    lines = [line for line in err.splitlines() if " carry = " not in line]
    assert len(lines) == 1
    assert "Traceback" not in err
    return lines[0]


def test_json_has_the_whole_account(capsys, files):
    status, out, _ = run(capsys, "allreduce", *files, "--json")
    answer = json.loads(out)
    assert status == 0
    assert answer["protocol"] == "superdense"
    assert (answer["workers"], answer["coords"], answer["rounds"]) == (4, 35, 6)
    expected = RingResources(workers=4, coords=35, word_bits=32, width="float")
    assert answer["totals"] == expected.ledger("superdense").totals._asdict()
    assert answer["links"] == expected.ledger("superdense").rows()
    assert (
        sum(link["count"] for link in answer["links"] if link["carrier"] == "ebit")
        == (answer["totals"]["ebits"])
    )


def test_protocols_agree_on_the_sum_and_differ_by_two_in_carriers(capsys, files):
    answers = [
        json.loads(run(capsys, "allreduce", *files, "--protocol", p, "--json")[1])
        for p in ("superdense", "classical")
    ]
    assert answers[0]["result_hash"] == answers[1]["result_hash"]
    assert 2 * answers[0]["totals"]["online_qubits"] == answers[1]["totals"]["online_bits"]


def test_words_travel_at_the_width_of_the_sum(capsys, files):
    _, out, err = run(capsys, "allreduce", *files, "--word-bits", 7, "--clip", 1, "--json")
    assert "7 bits a word + 2 carry = 9 bits; range ±1 (from --clip)" in err
    expected = RingResources(workers=4, coords=35, word_bits=7).ledger("superdense")
    assert json.loads(out)["totals"] == expected.totals._asdict()


def test_sum_is_written_in_the_shape_of_the_inputs(capsys, files, tmp_path):
    run(capsys, "allreduce", *files, "--out", tmp_path / "sum.npy")
    total = np.load(tmp_path / "sum.npy")
    assert total.shape == (5, 7)
    assert total == pytest.approx(sum(np.load(path) for path in files), abs=1e-5)


def test_table_names_units_and_the_rival(capsys, files):
    _, out, _ = run(capsys, "allreduce", *files)
    assert "classical ring" in out
    assert "qubits" in out
    assert "setup" in out


def test_noise_is_cautioned(capsys, files):
    status, out, err = run(capsys, "allreduce", *files, "--noise", "0.2", "--seed", 1)
    assert status == 0
    assert "without error correction" in err
    assert "DIFFER" in out


@pytest.mark.parametrize("protocol", ["superdense", "classical", "ghz", "vga", "private", "secagg"])
@pytest.mark.parametrize("bits", [53, 58, 60])
def test_ends_of_the_range_are_right_in_wide_words(capsys, tmp_path, protocol, bits):
    paths = []
    for k in range(4):
        paths.append(tmp_path / f"worker{k}.npy")
        np.save(paths[-1], np.array([-1.0, 0.25, 1.0]))
    total = tmp_path / "sum.npy"
    status, _, _ = run(
        capsys, "allreduce", *paths, "--word-bits", bits, "--clip", 1, "--protocol", protocol,
        "--out", total,
    )  # fmt: skip
    assert status == 0
    assert np.load(total) == pytest.approx([-4.0, 1.0, 4.0], rel=1e-14)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--protocol", "telepathy"], "invalid choice"),
        (["--noise", "1.5"], "error probability"),
        (["--word-bits", "0"], "at least 1 bit"),
        (["--word-bits", "1"], "at least 2 bits"),
        (["--word-bits", "61"], "takes 63 bits"),
        (["--clip", "1"], "give --word-bits"),
        (["--word-bits", "8", "--clip", "-1"], "must be positive"),
        (["--seed", "-1"], "seed"),
        (["--out", "sum.csv"], "unknown kind of file"),
        (["--out", "nowhere/sum.npy"], "no such folder"),
        (["--bogus"], "unrecognized arguments"),
        (["nowhere.npy"], "no such file"),
    ],
)
def test_bad_options_end_in_one_line(capsys, files, words, message):
    assert message in refused(capsys, "allreduce", *files, *words)


@pytest.mark.parametrize("words", [[], ["--word-bits", "8"]])
def test_nan_is_found(capsys, files, words):
    array = np.load(files[2])
    array[1, 3] = np.nan
    np.save(files[2], array)
    assert "worker 2 holds nan at coordinate 10" in refused(capsys, "allreduce", *files, *words)


def test_nan_passes_when_allowed(capsys, files):
    array = np.load(files[2])
    array[1, 3] = np.nan
    np.save(files[2], array)
    assert run(capsys, "allreduce", *files, "--allow-nonfinite")[0] == 0


def test_no_files_and_no_command_are_bad_input(capsys):
    assert "required: FILE" in refused(capsys, "allreduce")
    assert "required: COMMAND" in refused(capsys)


def test_integers_need_words_and_get_exact_sums(capsys, tmp_path):
    paths = [tmp_path / f"{k}.npy" for k in range(3)]
    rows = np.random.default_rng(0).integers(-100, 100, size=(3, 50))
    for path, row in zip(paths, rows, strict=True):
        np.save(path, row)
    assert "choose a word size" in refused(capsys, "allreduce", *paths)
    run(capsys, "allreduce", *paths, "--word-bits", 8, "--out", tmp_path / "sum.npy")
    assert (np.load(tmp_path / "sum.npy") == rows.sum(axis=0)).all()


@pytest.mark.parametrize("readout", ["digits", "sequential", "kitaev", "coded", "shots"])
def test_ghz_sums_equal_those_of_words_on_the_ring(capsys, files, readout):
    words = ["--word-bits", 4, "--clip", 1, "--json"]
    ring = json.loads(run(capsys, "allreduce", *files, *words)[1])
    status, out, err = run(
        capsys, "allreduce", *files, *words, "--protocol", "ghz", "--readout", readout
    )
    answer = json.loads(out)
    assert status == 0
    assert "4 bits a word + 2 carry = 6 bits" in err
    assert "not verified" in err
    assert answer["result_hash"] == ring["result_hash"]
    assert answer["copies"] == pytest.approx(answer["copies_per_coordinate"] * 35)
    assert answer["totals"]["setup_qubits"] == 3 * answer["copies"]
    assert answer["repeated"] == 0
    if readout == "digits":
        assert answer["copies_per_coordinate"] == 6


def test_ghz_options_reach_the_account(capsys, files):
    words = ["--word-bits", 8, "--clip", 1, "--protocol", "ghz", "--visibility", 0.9, "--checksum"]
    _, out, _ = run(capsys, "allreduce", *files, *words, "--announce", "broadcast",
                    "--distribute", "ring-pairs", "--failure", 0.01, "--json")  # fmt: skip
    answer = json.loads(out)
    assert answer["totals"]["ebits"] == 3 * answer["copies"]
    assert answer["totals"]["online_bits"] == 12 * answer["copies"]
    table = run(capsys, "allreduce", *files, *words)[1]
    assert "copies per coordinate" in table


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give --word-bits"),
        (["--word-bits", 8, "--visibility", 0], "visibility"),
        (["--word-bits", 8, "--visibility", 1.5], "visibility"),
        (["--word-bits", 8, "--failure", 0], "outside [1e-100, 1)"),
        (["--word-bits", 8, "--visibility", 0.005], "distil the copies"),
        (["--word-bits", 8, "--visibility", 0.005, "--readout", "sequential"], "distil the copies"),
        (["--word-bits", 8, "--visibility", 0.02, "--readout", "kitaev"], "distil the copies"),
        (["--word-bits", 50, "--readout", "shots"], "copies a coordinate"),
        (["--word-bits", 1], "at least 2 bits"),
        (["--word-bits", 62], "takes 64 bits"),
    ],
)
def test_bad_ghz_options_end_in_one_line(capsys, files, words, message):
    assert message in refused(capsys, "allreduce", *files, "--protocol", "ghz", *words)


def test_secagg_sums_equal_those_of_words_on_the_ring(capsys, files):
    pytest.importorskip("cryptography")
    words = ["--word-bits", 12, "--clip", 1, "--json"]
    ring = json.loads(run(capsys, "allreduce", *files, *words)[1])
    answer = json.loads(run(capsys, "allreduce", *files, *words, "--protocol", "secagg")[1])
    assert answer["result_hash"] == ring["result_hash"]
    assert answer["totals"]["online_qubits"] == 0


def test_a_lost_worker_is_recovered_from_or_ends_the_run_as_chosen(capsys, files):
    pytest.importorskip("cryptography")
    words = ["allreduce", *files, "--word-bits", 12, "--clip", 1, "--protocol", "secagg",
             "--drop", "2:mask", "--threshold", 3]  # fmt: skip
    three = [path for path in files if not path.endswith("worker2.npy")]
    expected = json.loads(run(capsys, "allreduce", *three, "--word-bits", 12, "--clip", 1,
                              "--json")[1])  # fmt: skip
    assert json.loads(run(capsys, *words, "--json")[1])["result_hash"] == expected["result_hash"]
    status, out, _ = run(capsys, *words, "--on-dropout", "abort")
    assert status == 1
    assert out.startswith("aborted at the stage")
    status, out, _ = run(capsys, *words, "--on-dropout", "abort", "--json")
    assert status == 1
    assert json.loads(out)["present"] == [0, 1, 3]


@pytest.mark.parametrize("drop", ["2", "x:mask", "2:lunch", "9:mask"])
def test_impossible_dropouts_end_in_one_line(capsys, files, drop):
    pytest.importorskip("cryptography")
    words = ["--word-bits", 8, "--clip", 1, "--protocol", "secagg", "--drop", drop]
    refused(capsys, "allreduce", *files, *words)


def test_one_worker_cannot_share_a_ghz_state(capsys, files):
    line = refused(capsys, "allreduce", files[0], "--protocol", "ghz", "--word-bits", 8)
    assert "at least 2 workers" in line


def test_noise_is_promised_before_the_first_round_and_travels_without_a_carry(capsys, files):
    pytest.importorskip("dp_accounting")
    words = ["--word-bits", 16, "--dp-epsilon", 2, "--dp-clip", 8, "--json"]
    _, out, err = run(capsys, "allreduce", *files, *words)
    assert err.startswith("qring: (ε=2, δ=1e-05) for each worker, clipped to 8: 16-bit words")
    assert "64 for 35 coordinates" in err
    assert "superdense shows partial sums" in err
    answer = json.loads(out)
    expected = RingResources(workers=4, coords=64, word_bits=16, width="float")
    assert answer["totals"] == expected.ledger("superdense").totals._asdict()
    assert answer["privacy"]["epsilon"] == 2
    assert 8 < answer["privacy"]["noise_std"] < 24
    again = json.loads(run(capsys, "allreduce", *files, *words)[1])
    assert again["result_hash"] != answer["result_hash"]  # noise has no seed


def test_noise_and_lost_workers_go_together(capsys, files):
    pytest.importorskip("dp_accounting")
    pytest.importorskip("cryptography")
    secret = ["--protocol", "secagg", "--word-bits", 16, "--dp-epsilon", 2, "--drop", "1:mask"]
    status, out, _ = run(capsys, "allreduce", *files, *secret)
    assert status == 1
    assert "fewer workers than the threshold" in out
    assert "--dp-may-drop 1" in out
    status, out, err = run(capsys, "allreduce", *files, *secret, "--json")
    assert status == 1
    assert "--dp-may-drop 1" in json.loads(out)["advice"]
    status, out, err = run(capsys, "allreduce", *files, *secret, "--dp-may-drop", 1)
    assert status == 0
    assert "shows partial sums" not in err
    assert "16-bit" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dp-epsilon", 1], "give --word-bits as well"),
        (["--dp-epsilon", 1, "--word-bits", 16, "--clip", 1], "give --dp-clip"),
        (["--dp-epsilon", 0, "--word-bits", 16], "outside [1e-100"),
        (["--dp-epsilon", 0.01, "--word-bits", 6], "use at least"),
    ],
)
def test_promises_that_cannot_be_kept_end_in_one_line(capsys, files, words, message):
    pytest.importorskip("dp_accounting")
    assert message in refused(capsys, "allreduce", *files, *words)


def test_float8_is_summed_as_words(capsys, tmp_path):
    torch = pytest.importorskip("torch")
    paths = [tmp_path / f"{k}.pt" for k in range(2)]
    for path in paths:
        torch.save({"w": torch.tensor([1.0, -0.5]).to(torch.float8_e4m3fn)}, path)
    assert "choose a word size" in refused(capsys, "allreduce", *paths)
    run(capsys, "allreduce", *paths, "--word-bits", 16, "--out", tmp_path / "sum.npy")
    assert np.load(tmp_path / "sum.npy") == pytest.approx([2, -1], abs=1e-3)


def test_counters_are_left_out_aloud_or_summed(capsys, tmp_path):
    torch = pytest.importorskip("torch")
    paths = [tmp_path / f"{k}.pt" for k in range(2)]
    for path in paths:
        torch.save({"w": torch.ones(2), "steps": torch.tensor(5)}, path)
    status, _, err = run(capsys, "allreduce", *paths, "--out", tmp_path / "a.pt")
    assert status == 0
    assert "left out 1 integer tensors" in err
    assert "--integers as-floats" in err
    assert set(torch.load(tmp_path / "a.pt")) == {"w"}
    _, _, err = run(capsys, "allreduce", *paths, "--integers", "as-floats", "--out",
                    tmp_path / "b.pt")  # fmt: skip
    assert "left out" not in err
    assert torch.load(tmp_path / "b.pt")["steps"].item() == 10


def test_a_sum_may_replace_one_of_its_inputs(capsys, files):
    expected = sum(np.load(path) for path in files)
    assert run(capsys, "allreduce", *files, "--out", files[0])[0] == 0
    assert np.load(files[0]) == pytest.approx(expected, abs=1e-5)


def test_places_that_take_no_sum_are_refused_before_the_run(capsys, files, tmp_path):
    (tmp_path / "d.npy").mkdir()
    assert "is a folder" in refused(capsys, "allreduce", *files, "--out", tmp_path / "d.npy")
    (tmp_path / "full.npy").symlink_to("/dev/full")
    assert "No space left" in refused(capsys, "allreduce", *files, "--out", tmp_path / "full.npy")


def test_coded_readout_is_checked_and_a_block_given_up_aborts(capsys, tmp_path):
    pytest.importorskip("ldpc")
    paths = []
    rng = np.random.default_rng(0)
    for k in range(4):
        paths.append(tmp_path / f"worker{k}.npy")
        np.save(paths[-1], rng.uniform(-1, 1, 600))
    words = ["allreduce", *paths, "--word-bits", 16, "--clip", 1, "--seed", 3]
    coded = [*words, "--protocol", "ghz", "--readout", "coded", "--visibility"]
    status, out, err = run(capsys, *coded, 0.75, "--json")
    assert "a checksum is added, and charged" in err
    answer = json.loads(out)
    if status == 0:
        right = json.loads(run(capsys, *words, "--json")[1])
        assert answer["result_hash"] == right["result_hash"]
        assert 0 < answer["wrong_at_most"] < 1e-3
        assert "wrong with probability at most" in err
    else:
        assert status == 1
        assert answer["aborted"].startswith("a block of coordinates failed its checksum")
    monkey = [*words, "--protocol", "ghz", "--checksum", "--failure", 0.9, "--visibility", 0.3]
    status, out, err = run(capsys, *monkey)
    assert status == 1
    assert "failed its checksum 8 times" in out

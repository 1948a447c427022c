import json
import math

import numpy as np
import pytest

from qring.cli.main import main
from qring.conflict.gap_ip import gap_ip
from qring.conflict.matching import Groups, Pairs
from qring.conflict.sketches import best_rival
from qring.conflict.tie_audit import tie_audit
from qring.conflict.tie_rivals import best_tie_rival


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
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err
    return err


@pytest.fixture
def gradients(tmp_path):
    rng = np.random.default_rng(0)
    u = rng.normal(size=(20, 50)).astype(np.float32)
    paths = tmp_path / "a.npy", tmp_path / "b.npy"
    np.save(paths[0], u)
    np.save(paths[1], -u + rng.normal(size=u.shape).astype(np.float32))
    return paths


@pytest.fixture
def audit(tmp_path):
    rng = np.random.default_rng(1)
    paths = tmp_path / "signs.npy", tmp_path / "matching.npy"
    np.save(paths[0], rng.choice(np.array([-1, 1], np.int8), 4096))
    np.save(paths[1], rng.permutation(4096).reshape(-1, 2))
    return paths


TASK = ("--margin", 0.1, "--error", 0.01)
ACCURACY = ("--epsilon", 0.1, "--delta", 0.05)
STRATEGIES = ("ancilla_free", "kitaev", "sequential", "maximum_likelihood")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_gapip_answers_in_json(capsys, gradients, strategy):
    status, out, _ = run(
        capsys, "gapip", *gradients, *TASK, "--strategy", strategy, "--seed", 3, "--json"
    )
    answer = json.loads(out)
    assert status == 0
    assert answer["decision"] == "conflicting"
    assert -1 <= answer["interval"][0] < answer["interval"][1] <= 1
    assert "estimate" not in answer  # a side was asked for; one run tells no more
    ancilla = strategy == "kitaev"
    assert answer["qubits"] == answer["passes"] * (10 + ancilla)
    assert answer["strategy"] == strategy
    rival = best_rival(1000, 0.1, 0.01)
    assert answer["rival"]["name"] == rival.name
    assert answer["rival"]["bits"] == rival.bits
    carriers = answer["totals"]["online_qubits"] + answer["totals"]["online_bits"]
    assert answer["winner"] == ("quantum" if carriers < rival.bits else "classical")


def test_gapip_repeats_with_the_seed_and_equals_the_verb(capsys, gradients):
    words = ("gapip", *gradients, *TASK, "--seed", 5, "--json")
    first, second = (json.loads(run(capsys, *words)[1]) for _ in range(2))
    assert first == second
    u, v = (np.load(path).ravel() for path in gradients)
    result = gap_ip(u, v, margin=0.1, error=0.01, rng=np.random.default_rng(5))
    assert first["links"] == result.ledger.rows()
    assert first["interval"] == list(result.interval)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("cosine", [-0.995, -0.023, 0.6])
def test_gapip_prints_nothing_that_the_passes_do_not_support(capsys, tmp_path, strategy, cosine):
    vectors = np.array([1.0, 0.0]), np.array([cosine, math.sqrt(1 - cosine**2)])
    paths = tmp_path / "a.npy", tmp_path / "b.npy"
    for path, vector in zip(paths, vectors, strict=True):
        np.save(path, vector)
    error = 1e-6 if strategy == "ancilla_free" else 0.01
    task = ("--margin", 0.4, "--error", error, "--strategy", strategy)
    _, out, _ = run(capsys, "gapip", *paths, *task)
    answer = json.loads(run(capsys, "gapip", *paths, *task, "--json")[1])
    low, high = answer["interval"]
    assert out.splitlines()[0] == (
        f"2 coordinates: {answer['decision']}; what the passes support: cosine within "
        f"[{low:.3f}, {high:.3f}] but for probability {error:g}"
    )
    if strategy == "ancilla_free":
        assert low <= cosine <= high
        assert abs(cosine) < 0.4 or answer["decision"] == (
            "aligned" if cosine > 0 else "conflicting"
        )


def test_gapip_names_the_winner_on_both_sides(capsys, gradients):
    for margin, winner in ((0.3, "classical"), (0.02, "quantum")):
        words = ("gapip", *gradients, "--margin", margin, "--error", 0.01)
        assert json.loads(run(capsys, *words, "--json")[1])["winner"] == winner
        _, out, _ = run(capsys, *words)
        assert f"winner: {winner}" in out
        assert "qubits" in out
        assert "bits" in out


def test_tieaudit_answers_in_json(capsys, audit):
    status, out, _ = run(capsys, "tieaudit", *audit, *ACCURACY, "--seed", 2, "--json")
    answer = json.loads(out)
    assert status == 0
    assert answer["copies"] == 100
    assert answer["qubits"] == 1200
    assert answer["interval"][0] <= answer["fraction"] <= answer["interval"][1]
    best = best_tie_rival(Pairs.of(np.load(audit[1]), 4096), 0.1, 0.05)
    assert (answer["rival"]["name"], answer["rival"]["bits"]) == (best.name, best.bits)
    assert answer["winner"] == "classical"
    result = tie_audit(
        *(np.load(path) for path in audit), epsilon=0.1, delta=0.05, rng=np.random.default_rng(2)
    )
    assert answer["fraction"] == result.fraction


def test_tieaudit_takes_group_labels_and_says_when_quantum_loses(capsys, audit):
    labels = np.arange(4096) % 16
    np.save(audit[1], labels)
    _, out, _ = run(capsys, "tieaudit", *audit, *ACCURACY)
    assert "of the ties conflict" in out
    assert "winner: classical" in out
    answer = json.loads(run(capsys, "tieaudit", *audit, *ACCURACY, "--json")[1])
    best = best_tie_rival(Groups.of(labels), 0.1, 0.05)
    assert (answer["rival"]["bits"], answer["winner"]) == (best.bits, "classical")
    assert best.bits < answer["qubits"] // 2


def test_tieaudit_cautions_against_noise(capsys, audit):
    _, out, _ = run(capsys, "tieaudit", *audit, *ACCURACY, "--noise", 0.01)
    assert "caution: noise biases" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--margin", 0, "--error", 0.1), "outside [0.002, 1)"),
        (("--margin", 1.5, "--error", 0.1), "outside [0.002, 1)"),
        (("--margin", "nan", "--error", 0.1), "not a number"),
        (("--margin", 0.1, "--error", 0.7), "error lies"),
        (("--margin", 0.1), "required: --error"),
        ((*TASK, "--strategy", "telepathy"), "invalid choice"),
        ((*TASK, "--seed", -1), "seed"),
    ],
)
def test_gapip_refuses_bad_options_in_one_line(capsys, gradients, words, message):
    assert message in refused(capsys, "gapip", *gradients, *words)


def test_gapip_refuses_bad_vectors_in_one_line(capsys, gradients):
    for values, message in (
        (np.zeros(1000), "v is all zeros"),
        (np.full(1000, math.nan), "v holds nan"),
        (np.ones(5), "1000 coordinates and v has 5"),
    ):
        np.save(gradients[1], values)
        assert message in refused(capsys, "gapip", *gradients, *TASK)
    assert "no such file" in refused(capsys, "gapip", gradients[0], "nowhere.npy", *TASK)


def test_tieaudit_refuses_bad_input_in_one_line(capsys, audit):
    good = np.load(audit[1])
    for matching, message in (
        (good + 1, "names coordinate 4096"),
        (np.concatenate([good, good[:1]]), "pairs must not overlap"),
        (good.astype(float), "integers"),
        (np.zeros((3, 3), int), "shape (M, 2)"),
    ):
        np.save(audit[1], matching)
        assert message in refused(capsys, "tieaudit", *audit, *ACCURACY)
    np.save(audit[1], good)
    np.save(audit[0], np.zeros(4096))
    assert "is zero" in refused(capsys, "tieaudit", *audit, *ACCURACY)
    assert run(capsys, "tieaudit", *audit, *ACCURACY, "--zeros", "plus")[0] == 0
    assert "outside [1e-06, 1]" in refused(
        capsys, "tieaudit", *audit, "--epsilon", 2, "--delta", 0.1, "--zeros", "plus"
    )

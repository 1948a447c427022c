"""``qring subspace``: every kind of file, the rival beside it, refusals in one line."""

import json

import numpy as np
import pytest

from qring.cli.main import main
from qring.conflict.matching import Pairs
from qring.conflict.subspace.audit import share, subspace_audit
from qring.conflict.subspace.rivals import best_subspace_rival
from qring.conflict.subspace.span import PairSpan
from qring.conflict.subspace.tangent import Tangent

ACCURACY = ("--epsilon", 0.1, "--delta", 0.05)


def run(capsys, *words):
    status = main(["subspace", *map(str, words)])
    out, err = capsys.readouterr()
    return status, out, err


def refused(capsys, *words):
    try:
        status, out, err = run(capsys, *words)
    except SystemExit as exit_:
        status, (out, err) = exit_.code, capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    return err


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(1)
    gradient, subspace = tmp_path / "gradient.npy", tmp_path / "subspace.npy"
    np.save(gradient, rng.normal(size=600))
    np.save(subspace, rng.permutation(600).reshape(-1, 2))
    return gradient, subspace


def test_the_answer_in_json_is_that_of_the_verb(capsys, files):
    status, out, _ = run(capsys, *files, *ACCURACY, "--seed", 3, "--json")
    answer = json.loads(out)
    pairs = PairSpan(Pairs.of(np.load(files[1]), 600))
    rng = np.random.default_rng(3)
    result = subspace_audit(np.load(files[0]), pairs, epsilon=0.1, delta=0.05, rng=rng)
    assert status == 0
    assert answer["fraction"] == result.fraction
    assert tuple(answer["interval"]) == result.interval
    assert (answer["copies"], answer["qubits"]) == (100, 1000)
    assert (answer["coords"], answer["dimension"]) == (600, 300)
    best = best_subspace_rival(pairs, 0.1, 0.05)
    assert (answer["rival"]["name"], answer["rival"]["bits"]) == (best.name, best.bits)
    assert answer["winner"] == ("quantum" if best.bits > 1000 else "classical")
    assert answer["totals"]["online_qubits"] == 1000


def test_every_kind_of_subspace_is_read(capsys, files):
    rng = np.random.default_rng(2)
    for array, dimension in (
        (rng.normal(size=(5, 600)), 5),
        (rng.normal(size=(5, 600)).astype(np.float32), 5),
        (np.arange(600) // 100, 6),
        (np.arange(80).reshape(-1, 2), 40),
    ):
        np.save(files[1], array)
        answer = json.loads(run(capsys, *files, *ACCURACY, "--json")[1])
        assert answer["dimension"] == dimension
        outside = json.loads(run(capsys, *files, *ACCURACY, "--complement", "--json")[1])
        assert outside["dimension"] == 600 - dimension
    _, text, _ = run(capsys, *files, *ACCURACY)
    assert "winner: " in text
    assert "40 of 600 dimensions hold" in text


def test_a_basis_that_is_not_orthonormal_is_said(capsys, files):
    np.save(files[1], np.random.default_rng(0).normal(size=(3, 600)))
    assert "caution: the basis was not orthonormal" in run(capsys, *files, *ACCURACY)[1]


def test_adapters_are_matched_with_the_layers_they_adapt(capsys, tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(4)
    layers = {"fc1.weight": (8, 12), "fc1.bias": (8,), "fc2.weight": (5, 8)}
    gradient = {name: rng.normal(size=shape) for name, shape in layers.items()}
    b, a = rng.normal(size=(8, 2)), rng.normal(size=(2, 12))
    paths = tmp_path / "gradient.safetensors", tmp_path / "adapter.safetensors"
    safetensors.save_file(gradient, paths[0])
    prefix = "base_model.model.fc1.lora_"
    safetensors.save_file({f"{prefix}A.weight": a, f"{prefix}B.weight": b}, paths[1])
    answer = json.loads(run(capsys, *paths, *ACCURACY, "--json")[1])
    assert (answer["coords"], answer["dimension"]) == (144, 2 * (8 + 12 - 2))
    energy = Tangent.of(b, a).energy(gradient["fc1.weight"].reshape(-1))
    truth = energy / sum(float((v**2).sum()) for v in gradient.values())
    assert answer["interval"][0] <= truth <= answer["interval"][1]
    # One matrix, one adapter: names need not match.
    np.save(tmp_path / "one.npy", gradient["fc1.weight"])
    one = json.loads(run(capsys, tmp_path / "one.npy", paths[1], *ACCURACY, "--json")[1])
    assert one["dimension"] == answer["dimension"]
    low = Tangent.of(b, a)
    inside = share(gradient["fc1.weight"].reshape(-1), low)
    assert one["interval"][0] <= inside <= one["interval"][1]
    for tensors, message in (
        ({f"{prefix}A.weight": a}, "only one factor"),
        ({"fc3.lora_A": a, "fc3.lora_B": b}, "no such layer"),
        ({f"{prefix}A.weight": a[:, :5].copy(), f"{prefix}B.weight": b}, "adapts a matrix (8, 5)"),
        ({f"{prefix}A.weight": a, f"{prefix}B.weight": b[:, :1].copy()}, "have no product"),
    ):
        safetensors.save_file(tensors, paths[1])
        assert message in refused(capsys, *paths, *ACCURACY)


@pytest.mark.parametrize(
    ("subspace", "message"),
    [
        (np.zeros((0, 600)), "no values"),
        (np.ones((2, 600)), "span 1 dimensions"),
        (np.eye(600), "600 of 600 dimensions"),
        (np.full((1, 600), np.nan), "holds nan in row 0"),
        (np.ones((2, 7)), "rows of 7 coordinates"),
        (np.ones(600), "array (k, d)"),
        (np.arange(7), "labels 7 coordinates"),
        (np.arange(600), "no two coordinates"),
        (np.array([[0, 600]]), "names coordinate 600"),
    ],
)
def test_subspaces_that_make_no_sense_are_refused_in_one_line(capsys, files, subspace, message):
    np.save(files[1], subspace)
    assert message in refused(capsys, *files, *ACCURACY)


def test_gradients_and_options_that_make_no_sense_are_refused_in_one_line(capsys, files):
    for values, message in (
        (np.zeros(600), "all zeros"),
        (np.full(600, np.inf), "holds inf"),
    ):
        np.save(files[0], values)
        assert message in refused(capsys, *files, *ACCURACY)
    np.save(files[0], np.ones(600))
    assert "outside [1e-100, 1)" in refused(capsys, *files, "--epsilon", 0, "--delta", 0.1)
    assert "lower the noise" in refused(capsys, *files, *ACCURACY, "--noise", 1)
    assert "seed" in refused(capsys, *files, *ACCURACY, "--seed", -1)
    assert "no such file" in refused(capsys, files[0], "nowhere.npy", *ACCURACY)

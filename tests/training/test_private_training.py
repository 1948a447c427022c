"""Training whose every image is hidden by noise: what is cut, what is promised, what is learned."""

import json
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("dp_accounting")
pytest.importorskip("cryptography")

import torch
from torch import nn

from qring import InputError
from qring.data.images import PIXELS, ImageSet, load
from qring.training import models
from qring.training.private import shortening
from qring.training.settings import ModelKind, TrainSettings


@pytest.mark.parametrize("kind", list(ModelKind))
def test_weighted_losses_give_the_sum_of_shortened_gradients(kind):
    torch.manual_seed(0)
    model = models.build(kind, 12)
    pixels, labels = 3 * torch.rand(5, 12), torch.tensor([0, 3, 9, 3, 1])
    longest = 1.7
    expected = [torch.zeros_like(p) for p in model.parameters()]
    for image, label in zip(pixels, labels, strict=True):  # one at a time, by plain autograd
        loss = nn.functional.cross_entropy(model(image[None]), label[None])
        own = torch.autograd.grad(loss, list(model.parameters()))
        length = torch.cat([g.flatten() for g in own]).norm()
        for total, g in zip(expected, own, strict=True):
            total += g * min(1.0, 0.999 * longest / length)
    factors = shortening(model, pixels, labels, longest)
    assert (factors < 1).any()
    losses = nn.functional.cross_entropy(model(pixels), labels, reduction="none")
    found = torch.autograd.grad((factors * losses).sum(), list(model.parameters()))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_pixels_are_those_of_the_images():
    training, _ = load(ImageSet.DIGITS, seed=0, test_share=0.2)
    assert training.images.shape[1] == PIXELS[ImageSet.DIGITS]


@pytest.mark.parametrize("protocol", ["superdense", "classical"])
def test_noise_needs_words(protocol):
    with pytest.raises(InputError, match="choose --protocol secagg, private or ghz"):
        TrainSettings(protocol=protocol, dp_epsilon=1.0)


def train(out, *words):
    return subprocess.run(
        [sys.executable, "-m", "qring.cli.main", "train", "--data", "digits", "--model", "linear",
         "--workers", "3", "--json", "--out", str(out), *words],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


def test_a_private_run_learns_and_says_what_it_promises(tmp_path):
    run = train(tmp_path, "--protocol", "secagg", "--dp-epsilon", "8", "--epochs", "4",
                "--batch", "80", "--learning-rate", "1")  # fmt: skip
    assert run.returncode == 0, run.stderr
    promise = "(ε=8, δ=1e-05) for each example over 4 rounds, clipped to 1: 16-bit words"
    assert promise in run.stderr
    answer = json.loads(run.stdout)
    assert answer["agreed"]
    assert answer["accuracy"] > 0.6  # blind guessing: a tenth


def test_promises_that_words_cannot_keep_are_refused_before_any_rank_starts(tmp_path):
    run = train(tmp_path, "--protocol", "ghz", "--dp-epsilon", ".01", "--word-bits", "6")
    assert run.returncode == 2
    lines = run.stderr.splitlines()
    assert len(lines) == 1
    assert "use at least" in lines[0]


def test_layers_whose_gradients_have_no_known_length_are_refused():
    model = nn.Sequential(nn.Linear(4, 10), nn.LayerNorm(10))
    with pytest.raises(InputError, match="linear layers only"):
        shortening(model, torch.rand(2, 4), torch.tensor([0, 1]), 1.0)

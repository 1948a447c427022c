"""Does it help to look for conflicts between two tasks' gradients, and is GapIP's answer enough?

Two overlaid MNIST digits, one shared hidden layer, a head a digit; worker k holds task k. The
arms differ in how the hidden layer's two gradients become one step: their mean; PCGrad, which
takes from each its part along the other where their product is negative; the same where GapIP
says that they conflict; and the same at random, as often as they really do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qring.conflict.oracle import ConflictOracle
from qring.conflict.sketches import best_rival
from qring.experiments.images import Images
from qring.experiments.trials import Trial, run_trials

__all__ = ["ARMS", "Conflicts", "projected", "run"]

ARMS = ("mean", "pcgrad", "gapip", "coin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflicts:
    """One experiment; ``margin`` and ``error`` are GapIP's."""

    seeds: int = 10
    epochs: int = 8
    images: int = 5000
    hidden: int = 24
    margin: float = 0.1
    error: float = 0.1
    batch: int = 50
    learning_rate: float = 0.03

    @classmethod
    def quick(cls) -> Conflicts:
        """A few seconds: shows that it runs, and no more."""
        return cls(seeds=2, epochs=1, images=600, hidden=8)


def run(settings: Conflicts, folder: Path, progress: Callable[[int, int], None]) -> list[Trial]:
    """Run or resume all trials.

    Raises:
        InputError: the folder holds other trials.
        MissingExtraError: the images are not installed.
    """
    images = Images.load(settings.images)

    def trial(arm: str, seed: int) -> Trial:
        return _trial(settings, images, arm, seed)

    return run_trials(folder, asdict(settings), ARMS, trial, progress)


def projected(product: float, squares: tuple[float, float]) -> tuple[float, float]:
    """Weights of two gradients, each less its part along the other: 1 − ⟨g, h⟩/|g|² of g.

    Source: Yu et al., Gradient surgery for multi-task learning (2020), algorithm 1.
    """
    return 1 - product / squares[0], 1 - product / squares[1]


def _trial(settings: Conflicts, images: Images, arm: str, seed: int) -> Trial:
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, ARMS.index(arm)])
    split = images.overlaid(seed)
    pixels, classes = split.training
    trunk = nn.Sequential(nn.Linear(pixels.shape[1], settings.hidden), nn.ReLU())
    heads = nn.ModuleList(nn.Linear(settings.hidden, 10) for _ in range(2))
    parameters = list(trunk.parameters())
    everything = [*parameters, *heads.parameters()]
    coords = sum(p.numel() for p in parameters)
    optimiser = torch.optim.SGD(everything, settings.learning_rate, 0.9)
    steps = conflicts = flagged = right = clear = qubits = 0
    accuracies = []
    for _ in range(settings.epochs):
        for part in torch.split(torch.randperm(len(classes)), settings.batch):
            rows = _gradients(trunk, heads, pixels[part], classes[part], optimiser)
            product = float(rows[0] @ rows[1])
            squares = float(rows[0] @ rows[0]), float(rows[1] @ rows[1])
            found = product < 0
            if arm == "gapip":
                oracle = ConflictOracle.of(
                    rows, margin=settings.margin, error=settings.error, rng=rng
                )
                flag = oracle.conflicts(0, 1)
                qubits += oracle.ledger.totals.online_qubits
                promised = abs(product) >= settings.margin * (squares[0] * squares[1]) ** 0.5
                clear += promised
                right += promised and flag == found
            else:
                rate = (conflicts + 1) / (steps + 2)
                flag = {"mean": False, "pcgrad": found, "coin": bool(rng.random() < rate)}[arm]
            steps, conflicts, flagged = steps + 1, conflicts + found, flagged + flag
            weights = projected(product, squares) if flag and min(squares) else (1.0, 1.0)
            step = torch.from_numpy(weights[0] * rows[0] + weights[1] * rows[1]) / 2
            pieces = torch.split(step, [p.numel() for p in parameters])
            for parameter, value in zip(parameters, pieces, strict=True):
                parameter.grad = value.reshape(parameter.shape).clone()
            optimiser.step()
        accuracies.append(_accuracy(trunk, heads, *split.test))
    rival = best_rival(coords, settings.margin, settings.error)
    return {
        "accuracy": sum(accuracies[-1]) / 2,
        "accuracies": accuracies,
        "conflicts": conflicts / steps,
        "flagged": flagged / steps,
        "right_where_promised": right / clear if clear else None,
        "promised": clear / steps if arm == "gapip" else None,
        "qubits_a_step": qubits / steps,
        "rival": rival.name,
        "rival_bits_a_step": rival.bits,
        "coords": coords,
    }


def _gradients(
    trunk: nn.Module,
    heads: nn.ModuleList,
    pixels: Tensor,
    classes: Tensor,
    optimiser: torch.optim.Optimizer,
) -> NDArray[np.float32]:
    """The trunk's gradient for each task, flat, shape (2, d); heads keep their own."""
    optimiser.zero_grad()
    parameters = list(trunk.parameters())
    features = trunk(pixels)
    rows = []
    for task, head in enumerate(heads):
        loss = nn.functional.cross_entropy(head(features), classes[:, task])
        found = torch.autograd.grad(loss, [*parameters, *head.parameters()], retain_graph=True)
        rows.append(torch.cat([value.reshape(-1) for value in found[: len(parameters)]]))
        for parameter, value in zip(head.parameters(), found[len(parameters) :], strict=True):
            parameter.grad = value
    return np.asarray(torch.stack(rows).numpy())


def _accuracy(
    trunk: nn.Module, heads: nn.ModuleList, pixels: Tensor, classes: Tensor
) -> list[float]:
    with torch.no_grad():
        features = trunk(pixels)
        return [
            float((head(features).argmax(1) == classes[:, task]).float().mean())
            for task, head in enumerate(heads)
        ]

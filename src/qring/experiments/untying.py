"""Does untying what TieAudit flags improve training?

A 784-32-10 network on MNIST whose weights share a codebook a row. Every round trains one epoch
with the ties in force (a tied weight moves by the mean of its group's gradients), then frees some
groups. The arms differ in which: none, random ones, those whose pairs TieAudit found to disagree
most often, those that its classical rival found (a broadcast of random signs, as many pairs within
groups on average), those that really do, those whose gradients differ most in size (no signs: what
the statistic gives away), and those in which copies of the gradient itself fall most often outside
the ties' span, which keeps sizes (SubspaceAudit). All but the first free equally many weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from qring.conflict.group_tally import (
    GroupTally,
    signs_for_pairs,
    tally_energy,
    tally_groups,
    tally_signs,
)
from qring.conflict.matching import Groups
from qring.conflict.signs import ArraySigns
from qring.experiments.images import Images
from qring.experiments.trials import Trial, run_trials
from qring.torch import ties

__all__ = ["ARMS", "Untying", "run"]

ARMS = ("never", "random", "tieaudit", "signs", "exact", "spread", "energy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Untying:
    """One experiment. ``copies`` is the number of phase states of an audit, one a round.

    ``freed_share`` is the share of all weights that a round may untie.
    """

    seeds: int = 10
    rounds: int = 8
    images: int = 5000
    hidden: int = 32
    clusters: int = 8
    freed_share: float = 0.05
    copies: int = 1000
    batch: int = 50
    learning_rate: float = 0.1

    @classmethod
    def quick(cls) -> Untying:
        """A few seconds: shows that it runs, and no more."""
        return cls(seeds=2, rounds=2, images=600, hidden=8, copies=100)


def run(settings: Untying, folder: Path, progress: Callable[[int, int], None]) -> list[Trial]:
    """Run or resume all trials.

    Raises:
        InputError: the folder holds other trials.
        MissingExtraError: the images are not installed.
    """
    images = Images.load(settings.images)

    def trial(arm: str, seed: int) -> Trial:
        return _trial(settings, images, arm, seed)

    return run_trials(folder, asdict(settings), ARMS, trial, progress)


class _Tied:
    """The network, its ties and its optimiser; weights are one flat vector where ties are read."""

    def __init__(self, settings: Untying, images: Images, seed: int) -> None:
        torch.manual_seed(seed)
        self.split = images.split(seed)
        pixels = self.split.training[0].shape[1]
        self.net = nn.Sequential(
            nn.Linear(pixels, settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, 10)
        )
        self.settings = settings
        self.optimiser = torch.optim.SGD(self.net.parameters(), settings.learning_rate, 0.9)
        self.labels = torch.full((sum(p.numel() for p in self.net.parameters()),), -1)
        self.epoch()  # a dense start, so that there is something to cluster
        found = ties.codebook(self.net, clusters=settings.clusters, per_row=True).groups
        sizes = torch.from_numpy(found.sizes)
        self.labels[torch.from_numpy(found.members)] = torch.arange(len(sizes)).repeat_interleave(
            sizes
        )
        self._share(lambda parameter: parameter.data)
        self.optimiser = torch.optim.SGD(self.net.parameters(), settings.learning_rate, 0.9)

    def epoch(self) -> None:
        pixels, classes = self.split.training
        order = torch.randperm(len(classes))
        for part in torch.split(order, self.settings.batch):
            self._backward(pixels[part], classes[part])
            self._share(lambda parameter: parameter.grad)
            self.optimiser.step()

    def gradient(self) -> NDArray[np.float32]:
        """Of the whole training set, flat, with no tie applied: what the server has."""
        self._backward(*self.split.training)
        flat = nn.utils.parameters_to_vector([p.grad for p in self.net.parameters()])  # type: ignore[misc]
        return np.asarray(flat.numpy())

    def loss(self) -> float:
        pixels, classes = self.split.training
        with torch.no_grad():
            return float(nn.functional.cross_entropy(self.net(pixels), classes))

    def accuracy(self) -> float:
        pixels, classes = self.split.test
        with torch.no_grad():
            return float((self.net(pixels).argmax(1) == classes).float().mean())

    def _backward(self, pixels: torch.Tensor, classes: torch.Tensor) -> None:
        self.optimiser.zero_grad()
        nn.functional.cross_entropy(self.net(pixels), classes).backward()  # type: ignore[no-untyped-call]

    def _share(self, of: Callable[[nn.Parameter], torch.Tensor | None]) -> None:
        """Replace each tied value by its group's mean."""
        tensors = [of(parameter) for parameter in self.net.parameters()]
        flat = nn.utils.parameters_to_vector([t for t in tensors if t is not None])
        tied = self.labels >= 0
        if not tied.any():
            return
        groups = self.labels[tied]
        count = int(groups.max()) + 1
        sums = torch.zeros(count).index_add_(0, groups, flat[tied])
        sizes = torch.bincount(groups, minlength=count).clamp(min=1)
        flat[tied] = (sums / sizes)[groups]
        nn.utils.vector_to_parameters(flat, [t for t in tensors if t is not None])


def _trial(settings: Untying, images: Images, arm: str, seed: int) -> Trial:
    model = _Tied(settings, images, seed)
    rng = np.random.default_rng([seed, ARMS.index(arm)])
    budget = int(settings.freed_share * len(model.labels))
    freed = qubits = bits = 0
    fractions, losses, accuracies = [], [], []
    for _ in range(settings.rounds):
        model.epoch()
        losses.append(model.loss())
        accuracies.append(model.accuracy())
        groups = Groups.of(model.labels.numpy())
        gradient = model.gradient()
        exact = _disagreement(groups, gradient < 0)
        fractions.append(float(exact @ groups.sizes / groups.sizes.sum()))
        if arm == "energy":
            energy = tally_energy(gradient, groups, settings.copies, rng)
            score = energy.differ / groups.sizes
            qubits += energy.ledger.totals.online_qubits
        elif arm in ("tieaudit", "signs"):
            tally = _tally(arm, groups, gradient < 0, settings.copies, rng)
            score = (tally.differ + 1) / (tally.hits + 2)
            qubits += tally.ledger.totals.online_qubits
            bits += tally.ledger.totals.online_bits
        else:
            score = {
                "never": exact,
                "random": np.zeros(len(exact)),
                "exact": exact,
                "spread": _spread(groups, gradient),
            }[arm]
        if arm != "never":
            freed += _untie(model, groups, score, budget, rng)
    model.epoch()
    return {
        "accuracy": model.accuracy(),
        "training_loss": model.loss(),
        "freed": freed,
        "audit_qubits": qubits,
        "audit_bits": bits,
        "disagreement": fractions,
        "losses": losses,
        "accuracies": accuracies,
    }


def _tally(
    arm: str, groups: Groups, minus: NDArray[np.bool_], copies: int, rng: np.random.Generator
) -> GroupTally:
    """Pairs seen in each group, by phase states or by signs that show as many on average."""
    signs = ArraySigns(minus)
    if arm == "tieaudit":
        return tally_groups(signs, groups, copies, rng)
    return tally_signs(signs, groups, signs_for_pairs(groups, copies), rng)


def _untie(
    model: _Tied,
    groups: Groups,
    score: NDArray[Any],
    budget: int,
    rng: np.random.Generator,
) -> int:
    """Free the groups that score highest, ties at random, as long as the budget lasts."""
    order = np.lexsort((rng.random(len(score)), -score))
    freed = 0
    for group in order.tolist():
        first, end = groups.starts[group : group + 2].tolist()
        if freed + end - first <= budget:
            model.labels[torch.from_numpy(groups.members[first:end])] = -1
            freed += end - first
    return freed


def _disagreement(groups: Groups, minus: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of disagreeing pairs in each group, exactly."""
    counts = np.add.reduceat(minus[groups.members].astype(np.int64), groups.starts[:-1])
    sizes = groups.sizes
    return np.asarray(2 * counts * (sizes - counts) / (sizes * (sizes - 1)))


def _spread(groups: Groups, gradient: NDArray[np.float32]) -> NDArray[np.float64]:
    """Variance of the gradient within each group: what untying one weight of it gains."""
    values = gradient[groups.members].astype(np.float64)
    mean = np.add.reduceat(values, groups.starts[:-1]) / groups.sizes
    square = np.add.reduceat(values**2, groups.starts[:-1]) / groups.sizes
    return np.asarray(square - mean**2)

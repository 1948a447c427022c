"""Does choosing among candidate adapters by SubspaceAudit help clients that cannot take all?

Five clients hold two digits of MNIST each. Each round everybody trains a little on their own, and
the server averages the steps. A client applies only the part of that average which lies in the
span of a rank-2 adapter, one of several candidates: around its own last step, around its weights,
or random. The arms differ in which: none, a random one, the one in which SubspaceAudit finds most
of the average, the one that really holds most; and, for comparison, the whole average.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qring.conflict.subspace.audit import share, subspace_audit
from qring.conflict.subspace.rivals import best_subspace_rival
from qring.conflict.subspace.span import Blocks, Subspace
from qring.conflict.subspace.tangent import Tangent
from qring.experiments.images import Images, Split
from qring.experiments.trials import Trial, run_trials

__all__ = ["ARMS", "Adapters", "run"]

ARMS = ("never", "random", "audit", "exact", "full")
_CLIENTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """One experiment; ``epsilon`` and ``delta`` are the audit's, for each candidate."""

    seeds: int = 10
    rounds: int = 12
    images: int = 5000
    public: int = 150
    hidden: int = 32
    rank: int = 2
    candidates: int = 4
    local_steps: int = 8
    epsilon: float = 0.1
    delta: float = 0.05
    batch: int = 50
    learning_rate: float = 0.1

    @classmethod
    def quick(cls) -> Adapters:
        """A few seconds: shows that it runs, and no more."""
        return cls(seeds=2, rounds=2, images=600, hidden=8, local_steps=2)


def run(settings: Adapters, folder: Path, progress: Callable[[int, int], None]) -> list[Trial]:
    """Run or resume all trials.

    Raises:
        InputError: the folder holds other trials.
        MissingExtraError: the images are not installed.
    """
    images = Images.load(settings.images)

    def trial(arm: str, seed: int) -> Trial:
        return _trial(settings, images, arm, seed)

    return run_trials(folder, asdict(settings), ARMS, trial, progress)


class _Client:
    """A personal model, its two digits, and the step it took last."""

    def __init__(
        self, settings: Adapters, base: nn.Sequential, data: tuple[Tensor, Tensor]
    ) -> None:
        self.settings, self.data = settings, data
        self.net = _network(settings, data[0].shape[1])
        self.net.load_state_dict(base.state_dict())

    def flat(self) -> Tensor:
        return nn.utils.parameters_to_vector(self.net.parameters()).detach().clone()

    def step(self, generator: torch.Generator) -> NDArray[np.float32]:
        """Change that a little training on its own digits would make; the model stays as it is."""
        before = self.flat()
        _train(self.net, self.data, self.settings, self.settings.local_steps, generator)
        change = self.flat() - before
        nn.utils.vector_to_parameters(before, self.net.parameters())
        return np.asarray(change.numpy())

    def move(self, change: NDArray[np.float32]) -> None:
        after = self.flat() + torch.from_numpy(np.asarray(change, np.float32))
        nn.utils.vector_to_parameters(after, self.net.parameters())

    def candidates(self, own: NDArray[np.float32], rng: np.random.Generator) -> list[Subspace]:
        """Spans of adapters: around the own step, around the weights, and random ones."""
        spans = [self._around(own), self._around(np.asarray(self.flat().numpy()))]
        while len(spans) < self.settings.candidates:
            spans.append(self._around(rng.standard_normal(len(own)).astype(np.float32)))
        return spans[: self.settings.candidates]

    def _around(self, vector: NDArray[np.float32]) -> Subspace:
        parts: list[tuple[int, Subspace | None]] = []
        start, rank = 0, self.settings.rank
        for parameter in self.net.parameters():
            size = parameter.numel()
            piece = vector[start : start + size]
            start += size
            if parameter.ndim < 2:
                parts.append((size, None))
                continue
            matrix = piece.reshape(parameter.shape).astype(np.float64)
            left, _, right = np.linalg.svd(matrix, full_matrices=False)
            parts.append((size, Tangent(left[:, :rank], right[:rank].T)))
        return Blocks(tuple(parts))


def _network(settings: Adapters, pixels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(pixels, settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, 10)
    )


def _train(
    net: nn.Module,
    data: tuple[Tensor, Tensor],
    settings: Adapters,
    steps: int,
    generator: torch.Generator,
) -> None:
    optimiser = torch.optim.SGD(net.parameters(), settings.learning_rate)
    pixels, classes = data
    for _ in range(steps):
        part = torch.randint(len(classes), (settings.batch,), generator=generator)
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(pixels[part]), classes[part]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _trial(settings: Adapters, images: Images, arm: str, seed: int) -> Trial:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng([seed, ARMS.index(arm)])
    split = images.split(seed)
    clients = _clients(settings, split, generator)
    qubits = rival_bits = best = 0
    shares, accuracies = [], []
    for _ in range(settings.rounds):
        steps = [client.step(generator) for client in clients]
        mean = np.mean(steps, axis=0)
        for client, own in zip(clients, steps, strict=True):
            if arm == "full":
                client.move(mean)
                continue
            spans = client.candidates(own, rng)
            truth = [share(mean, span) for span in spans]
            chosen, sent = _chosen(arm, spans, truth, mean, settings, rng)
            qubits += sent
            if arm == "audit" and not rival_bits:
                rival = best_subspace_rival(spans[0], settings.epsilon, settings.delta)
                rival_bits = rival.bits
            if chosen is not None:
                client.move(spans[chosen].project(mean))
                shares.append(truth[chosen])
                best += truth[chosen] == max(truth)
        accuracies.append(_accuracy(clients, split))
    turns = settings.rounds * _CLIENTS
    return {
        "accuracy": accuracies[-1],
        "accuracies": accuracies,
        "share_taken": float(np.mean(shares)) if shares else float(arm == "full"),
        "best_chosen": best / turns,
        "qubits_a_client_and_round": qubits / turns,
        "rival_bits_a_round": rival_bits,
    }


def _clients(settings: Adapters, split: Split, generator: torch.Generator) -> list[_Client]:
    """Five clients of two digits each, whose models start from a little public training."""
    pixels, classes = split.training
    base = _network(settings, pixels.shape[1])
    public = (pixels[: settings.public], classes[: settings.public])
    _train(base, public, settings, 60, generator)
    return [
        _Client(settings, base, (pixels[own], classes[own]))
        for own in (classes // 2 == k for k in range(_CLIENTS))
    ]


def _chosen(
    arm: str,
    spans: list[Subspace],
    truth: list[float],
    mean: NDArray[np.float32],
    settings: Adapters,
    rng: np.random.Generator,
) -> tuple[int | None, int]:
    """The candidate that is taken, if any, and the qubits that it took to choose."""
    if arm == "never":
        return None, 0
    if arm == "random":
        return int(rng.integers(len(spans))), 0
    if arm == "exact":
        return int(np.argmax(truth)), 0
    told = [
        subspace_audit(mean, span, epsilon=settings.epsilon, delta=settings.delta, rng=rng)
        for span in spans
    ]
    return int(np.argmax([one.fraction for one in told])), sum(one.qubits for one in told)


def _accuracy(clients: list[_Client], split: Split) -> float:
    """Mean over clients of the accuracy on held-out images of all digits."""
    pixels, classes = split.test
    with torch.no_grad():
        right = [(client.net(pixels).argmax(1) == classes).float().mean() for client in clients]
    return float(torch.stack(right).mean())

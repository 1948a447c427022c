"""Gradient inversion: images read off a dense layer's gradient in a sum.

A neuron's weight gradient is Σ_s δ_s·x_s over the images s that excite it, its bias gradient
Σ_s δ_s. Where one image alone excites a neuron, their quotient *is* that image. The attack needs
the sum and nothing else, so a protocol that hides all but the sum does not stop it. That it fails
proves nothing: only noise does.

Source: Phong et al., Privacy-preserving deep learning via additively homomorphic encryption (2018);
Geiping et al., Inverting gradients (2020), proposition 3.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Aggregate, Method, Outcome
from qring.collectives.all_reduce import all_reduce
from qring.errors import InputError

__all__ = [
    "RECOVERED_DB",
    "Inversion",
    "Victim",
    "gradient_inversion",
    "invert_first_layer",
    "likeness_db",
]

RECOVERED_DB = 25.0
"""Peak signal-to-noise ratio from which an image counts as recovered: its error is not seen."""

_POWERS = 50
_LEAST = 1e-9  # bias gradients below this share of the largest are rounding

Reals = NDArray[np.float64]


class Victim:
    """A classifier of images with one hidden layer of ReLUs, freshly initialised.

    ``coords`` is the length of a gradient: weights and biases of both layers, row by row.
    """

    def __init__(
        self, pixels: int, *, hidden: int = 128, classes: int = 10, rng: np.random.Generator
    ) -> None:
        self.pixels, self.hidden, self.classes = pixels, hidden, classes
        wide, narrow = 1 / math.sqrt(pixels), 1 / math.sqrt(hidden)  # as torch.nn.Linear begins
        self._w1 = rng.uniform(-wide, wide, (hidden, pixels))
        self._b1 = rng.uniform(-wide, wide, hidden)
        self._w2 = rng.uniform(-narrow, narrow, (classes, hidden))
        self._b2 = rng.uniform(-narrow, narrow, classes)

    @property
    def coords(self) -> int:
        """Length of a gradient."""
        return self.hidden * (self.pixels + 1) + self.classes * (self.hidden + 1)

    def gradient(self, image: NDArray[Any], label: int) -> Reals:
        """Gradient of the cross-entropy of one image, shape (coords,)."""
        x = image.astype(np.float64)
        excited = self._w1 @ x + self._b1
        active = np.maximum(excited, 0)
        logits = self._w2 @ active + self._b2
        odds = np.exp(logits - logits.max())
        out = odds / odds.sum()
        out[label] -= 1
        inner = (self._w2.T @ out) * (excited > 0)
        parts = np.outer(inner, x), inner, np.outer(out, active), out
        return np.concatenate([part.ravel() for part in parts])

    def first_layer(self, gradient: Reals) -> tuple[Reals, Reals]:
        """Weight and bias gradients of the hidden layer: shapes (hidden, pixels), (hidden,)."""
        size = self.hidden * self.pixels
        return gradient[:size].reshape(self.hidden, self.pixels), gradient[size:][: self.hidden]


def invert_first_layer(weights: Reals, biases: Reals) -> Reals:
    """One guess for every neuron that any image excites, and one more: shape (guesses, pixels).

    ``weights``, shape (neurons, pixels), and ``biases``, shape (neurons,), are gradients. The last
    guess is the best fit of one image to all neurons at once, which withstands noise best.
    """
    excited = np.abs(biases) > _LEAST * np.abs(biases).max(initial=0)
    both = np.column_stack([weights, biases])
    fit = np.ones(both.shape[1])
    for _ in range(_POWERS):  # towards the leading right singular vector
        fit = both.T @ (both @ fit)
        fit /= np.linalg.norm(fit) or 1.0
    guesses = np.concatenate([both[excited], fit[None][np.abs(fit[-1:]) > _LEAST]])
    return np.asarray(guesses[:, :-1] / guesses[:, -1:])


def likeness_db(images: NDArray[Any], guesses: Reals) -> Reals:
    """Best peak signal-to-noise ratio of each image among the guesses, shape (images,).

    Values of ``images`` lie in [0, 1].
    """
    if not len(guesses):
        return np.full(len(images), -math.inf)
    seen = np.clip(guesses, 0, 1)
    errors = np.array([((seen - image) ** 2).mean(axis=1).min() for image in images])
    return np.asarray(-10 * np.log10(np.maximum(errors, 1e-30)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inversion:
    """Number of the ``images``, summed ``clients`` at a time, that came out of the sums."""

    clients: int
    images: int
    recovered: int
    best_db: float

    @property
    def share(self) -> float:
        """Part of the images recovered, in [0, 1]."""
        return self.recovered / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of the share at 95%, images taken as independent. Standing: sampled."""
        z, n, p = NormalDist().inv_cdf(0.975), self.images, self.share
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, middle - half), min(1.0, middle + half)


def gradient_inversion(
    images: NDArray[Any],
    labels: NDArray[Any],
    *,
    clients: int,
    method: Method[Outcome] | None,
    rng: np.random.Generator,
) -> Inversion:
    """Attack sums of ``clients`` gradients, one image each, until all whole groups are used up.

    ``images``, shape (count, pixels), lie in [0, 1]. ``method`` sums; None adds the floats up, and
    the attacker, who knows the model, sees no more than the sums. ``rng`` draws the model and the
    groups.

    Raises:
        InputError: fewer images than clients.
    """
    if not 1 <= clients <= len(images):
        raise InputError(f"{clients} clients need as many images, not {len(images)}")
    victim = Victim(images.shape[1], rng=rng)
    order = rng.permutation(len(images))
    groups = order[: len(order) - len(order) % clients].reshape(-1, clients)
    found, best = 0, -math.inf
    for group in groups:
        rows = np.stack([victim.gradient(images[k], int(labels[k])) for k in group])
        guesses = invert_first_layer(*victim.first_layer(_total(rows, method, rng)))
        likeness = likeness_db(images[group], guesses)
        found += int((likeness > RECOVERED_DB).sum())
        best = max(best, float(likeness.max()))
    return Inversion(clients=clients, images=groups.size, recovered=found, best_db=best)


def _total(rows: Reals, method: Method[Outcome] | None, rng: np.random.Generator) -> Reals:
    if method is None:
        return np.asarray(rows.sum(axis=0))
    result = all_reduce(rows, method=method, rng=rng)
    if not isinstance(result, Aggregate):
        raise InputError(f"nothing to attack: {result}")
    return np.asarray(result.sum, np.float64)

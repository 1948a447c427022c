"""Ten workers train on MNIST, and every image is hidden by noise (qring[secagg,dp,data], scipy).

python examples/dp_training.py --epsilon 8 4 1 --seeds 5
"""

import argparse

import numpy as np
from scipy import stats

import qring
from qring.data.images import ImageSet, load
from qring.theory.differential_privacy import analytic_gaussian

WORKERS, CLIP, DELTA, RATE, MOMENTUM = 10, 1.0, 1e-5, 8.0, 0.9


def shortened_sum(weights: np.ndarray, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Sum of the images' gradients of softmax regression, each shortened to the length CLIP."""
    odds = np.exp(images @ weights)
    slopes = odds / odds.sum(axis=1, keepdims=True) - np.eye(10)[labels]
    lengths = np.linalg.norm(slopes, axis=1) * np.linalg.norm(images, axis=1)
    return images.T @ (slopes * np.minimum(1, CLIP / lengths)[:, None])


def train(epsilon: float | None, seed: int, epochs: int, *, local: bool = False) -> float:
    """Accuracy after training; ``local``: each worker hides its images alone, by Gaussian noise."""
    (images, labels), test = load(ImageSet.MNIST, seed=seed, test_share=0.2)
    shards = np.array_split(np.arange(len(labels)), WORKERS)
    weights, velocity = np.zeros((2, images.shape[1], 10))
    encoding, std = qring.FixedPoint(word_bits=40, limit=1e6), 0.0
    if local:
        std = CLIP * epochs**0.5 * analytic_gaussian(epsilon, DELTA)
    elif epsilon:
        promise = qring.Promise(epsilon=epsilon, delta=DELTA, clip=CLIP, rounds=epochs,
                                unit=qring.Unit.EXAMPLE, examples=len(shards[0]))  # fmt: skip
        plan = qring.calibrate(promise, workers=WORKERS, coords=weights.size, word_bits=20)
        encoding = qring.DistributedGaussian(plan=plan)
    for _ in range(epochs):
        rows = np.array([shortened_sum(weights, images[s], labels[s]).ravel() for s in shards])
        rows += std * np.random.default_rng().normal(size=rows.shape)
        total = qring.all_reduce(rows, method=qring.SecAgg(encoding=encoding)).sum
        step = RATE * (1 - MOMENTUM) * total.reshape(weights.shape) / len(labels)
        velocity = MOMENTUM * velocity - step
        weights += velocity
    return float(((test.images @ weights).argmax(axis=1) == test.labels).mean())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epsilon", type=float, nargs="+", default=[8, 4, 1])
    parser.add_argument("--seeds", type=int, default=5, help="at least 2, for an interval")
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    for epsilon in [None, *options.epsilon]:
        for local in (False, True)[: 1 + bool(epsilon)]:
            found = [train(epsilon, s, options.epochs, local=local) for s in range(options.seeds)]
            error = stats.sem(found) * stats.t.ppf(0.975, len(found) - 1)
            noise = ("local" if local else "shared") if epsilon else "no"
            print(f"epsilon {epsilon or '-'}, {noise} noise: {np.mean(found):.1%} ± {error:.1%}")

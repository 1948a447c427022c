"""Audits of a federation's rounds: shares are right, the model stays as it was."""

import logging

import numpy as np
import pytest

from qring.conflict.subspace.audit import share
from qring.conflict.subspace.rivals import best_subspace_rival
from qring.conflict.subspace.span import Coordinates, Dense
from qring.errors import InputError

pytest.importorskip("flwr")
pytest.importorskip("cryptography")

from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg

from qring.flower import LocalGrid, SubspaceAudits

COORDS = 40
SPANS = {
    "mask": Coordinates(np.arange(COORDS) < 12),
    "span": Dense.of(np.random.default_rng(1).normal(size=(7, COORDS))),
}


class Audited(SubspaceAudits, FedAvg):
    pass


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("flwr").setLevel(logging.ERROR)


def app():
    made = ClientApp()

    @made.train()
    def train(msg, ctxt):
        k = ctxt.node_config["partition-id"]
        old = msg.content["arrays"]["w"].numpy()
        goal = np.random.default_rng(k).normal(size=COORDS)
        new = (old + (goal - old) / 2).astype(np.float32)
        metrics = MetricRecord({"num-examples": 5})
        content = RecordDict({"arrays": ArrayRecord({"w": Array(new)}), "metrics": metrics})
        return Message(content, reply_to=msg)

    return made


def trained(kind, rounds, **options):
    grid = LocalGrid(app(), [1000 + k for k in range(5)])
    first = ArrayRecord({"w": Array(np.zeros(COORDS, np.float32))})
    return kind(fraction_evaluate=0.0, **options).start(grid, first, num_rounds=rounds)


def test_rounds_are_audited_and_the_model_stays():
    rng = np.random.default_rng(0)
    found = trained(Audited, 3, spans=SPANS, every=2, rng=rng)
    plain = trained(FedAvg, 3)
    after = found.arrays["w"].numpy()
    # Flower averages in the order it samples clients in, which differs from run to run.
    np.testing.assert_allclose(after, plain.arrays["w"].numpy(), atol=1e-6)
    metrics = found.train_metrics_clientapp
    assert [r for r in sorted(metrics) if "qring-audit-qubits" in metrics[r]] == [1, 3]
    step = trained(FedAvg, 1).arrays["w"].numpy().astype(np.float64)
    bits = max(best_subspace_rival(s, 0.1, 0.05, gradient=step).bits for s in SPANS.values())
    for name, span in SPANS.items():
        low, high = (metrics[1][f"qring-share-{name}-{end}"] for end in ("low", "high"))
        assert low <= share(step, span) <= high  # 95 %, with a fixed seed
    assert metrics[1]["qring-audit-qubits"] == len(SPANS) * 100 * 6
    assert metrics[1]["qring-audit-rival-bits"] == bits


def test_nonsense_is_refused():
    rng = np.random.default_rng(0)
    for options, message in (
        ({"spans": {}}, "no subspace"),
        ({"spans": SPANS, "every": 0}, "every"),
        ({"spans": SPANS, "epsilon": 0.0}, "epsilon"),
        ({"spans": SPANS, "rng": 3}, "default_rng"),
    ):
        with pytest.raises(InputError, match=message):
            Audited(**{"rng": rng, **options})
    with pytest.raises(InputError, match="'mask' has 5 coordinates, but the model 40"):
        trained(Audited, 1, spans={"mask": Coordinates(np.arange(5) < 2)}, rng=rng)

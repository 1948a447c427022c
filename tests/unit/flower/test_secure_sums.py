"""Secure sums under Flower's real strategies, on a grid in this process."""

import logging
import re

import numpy as np
import pytest

import qring
from qring import OnDropout, Promise

pytest.importorskip("flwr")
pytest.importorskip("cryptography")

from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAdam, FedAvg, FedProx, Krum

from qring.flower import LocalGrid, SecureAggregation, SecureMod, SecureSum
from qring.security.secagg.messages.identity import Identity

NODES = [1000 + 7 * k for k in range(10)]
COORDS = 40
CONFIG = SecureSum(limit=2.0, word_bits=24, max_examples=100)


@pytest.fixture(autouse=True)
def quiet():
    logging.getLogger("flwr").setLevel(logging.ERROR)


class SecureFedAvg(SecureAggregation, FedAvg):
    pass


class SecureFedProx(SecureAggregation, FedProx):
    pass


class SecureFedAdam(SecureAggregation, FedAdam):
    pass


def target(client):
    return np.random.default_rng(client).normal(size=COORDS) * 0.3


def app(*mods):
    """Clients that go half the way to their own optimum; client k holds 10 + k examples."""
    made = ClientApp(mods=list(mods))
    made.trained = []

    @made.train()
    def train(msg, ctxt):
        k = ctxt.node_config["partition-id"]
        made.trained.append(k)
        arrays = msg.content["arrays"]
        old = np.concatenate([a.numpy().reshape(-1) for a in arrays.values()])
        new = (old + (target(k) - old) / 2).astype(np.float32)
        shaped = ArrayRecord({"w": Array(new[:30].reshape(5, 6)), "b": Array(new[30:])})
        metrics = MetricRecord({"num-examples": 10 + k, "loss": float(k), "secret": 1.0})
        return Message(RecordDict({"arrays": shaped, "metrics": metrics}), reply_to=msg)

    return made


def start(strategy, grid, rounds):
    first = ArrayRecord(
        {"w": Array(np.zeros((5, 6), np.float32)), "b": Array(np.zeros(10, np.float32))}
    )
    return strategy.start(grid, first, num_rounds=rounds)


def vector(result):
    return np.concatenate([a.numpy().reshape(-1) for a in result.arrays.values()])


def options(kind):
    return {"fraction_evaluate": 0.0} | ({"proximal_mu": 0.1} if issubclass(kind, FedProx) else {})


@pytest.mark.parametrize(
    ("plain", "secure", "gain"),
    # FedAdam divides by √v + τ, τ = 1e-3, and steps by η = 0.1: it magnifies roundings.
    [(FedAvg, SecureFedAvg, 1), (FedProx, SecureFedProx, 1), (FedAdam, SecureFedAdam, 100)],
)
def test_strategies_end_in_the_plain_runs_parameters(plain, secure, gain):
    expected = vector(start(plain(**options(plain)), LocalGrid(app(), NODES), 5))
    grid = LocalGrid(app(SecureMod(CONFIG)), NODES)
    result = start(secure(secure=CONFIG, **options(plain)), grid, 5)
    assert grid.errors == []
    # A mean is off by half a step, and a round halves what was off before; floats add an ulp.
    assert np.abs(vector(result) - expected).max() <= gain * CONFIG.step + 4e-7
    assert np.abs(expected).max() > 0.1
    metrics = result.train_metrics_clientapp[5]
    assert metrics["qring-contributors"] == 10
    assert metrics["qring-bytes"] > 10 * COORDS * 4
    assert "loss" not in metrics
    assert "secret" not in metrics


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("stage", range(5))
def test_three_of_ten_that_fall_silent_at_any_stage_are_left_out(stage, signed):
    if stage == 4 and not signed:
        return  # there is no fifth message
    who = {node: Identity.fresh() for node in NODES}
    config = SecureSum(
        limit=2.0, word_bits=24, max_examples=100,
        directory={node: i.public for node, i in who.items()} if signed else None,
    )  # fmt: skip
    mod = SecureMod(config, identity=(lambda ctxt: who[ctxt.node_id]) if signed else None)
    lost = NODES[2:5]
    grid = LocalGrid(app(mod), NODES, silent=lambda node, n: node in lost and n == stage)
    result = start(SecureFedAvg(secure=config, fraction_evaluate=0.0), grid, 1)
    left = [k for k in range(10) if k not in (2, 3, 4) or stage > 2]
    weights = np.array([10 + k for k in left])
    mean = weights @ np.array([target(k) / 2 for k in left]) / weights.sum()
    assert np.abs(vector(result) - mean).max() <= config.step + 4e-8
    assert result.train_metrics_clientapp[1]["qring-contributors"] == len(left)
    assert result.train_metrics_clientapp[1]["qring-lost"] == 10 - len(left)


@pytest.mark.parametrize(("change", "lost"), [({"on_dropout": OnDropout.ABORT}, 1), ({}, 5)])
def test_rounds_without_a_sum_leave_the_model_and_say_so(change, lost):
    config = SecureSum(limit=2.0, word_bits=24, max_examples=100, **change)
    grid = LocalGrid(
        app(SecureMod(config)), NODES, silent=lambda node, n: node in NODES[:lost] and n == 2
    )
    strategy = SecureFedAvg(secure=config, fraction_evaluate=0.0)
    result = start(strategy, grid, 1)
    assert result.train_metrics_clientapp[1]["qring-aborted"] == 1
    assert len(result.arrays) == 0


def test_sums_that_no_words_hold_are_refused_before_anybody_trains():
    config = SecureSum(word_bits=50, max_examples=10**6)
    clients = app(SecureMod(config))
    with pytest.raises(qring.BudgetError, match="use words of at most 38 bits"):
        start(SecureFedAvg(secure=config, fraction_evaluate=0.0), LocalGrid(clients, NODES), 1)
    assert clients.trained == []
    assert "20 bits a word + 17 carry = 37 bits: 40 coordinates of 10" in SecureSum().describe(
        10, 40
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"limit": 0.01}, "reaches .* hold 0.01"),
        ({"max_examples": 5}, "trained on 1. examples; the bit budget has room for"),
        ({"weight_key": "n"}, "lack 'n'"),
    ],
)
def test_updates_that_do_not_fit_are_told_and_lost(config, message):
    config = SecureSum(**{"limit": 2.0, "word_bits": 24, "max_examples": 100, **config})
    grid = LocalGrid(app(SecureMod(config)), NODES)
    result = start(SecureFedAvg(secure=config, fraction_evaluate=0.0), grid, 1)
    assert result.train_metrics_clientapp[1]["qring-aborted"] == 1
    assert len(grid.errors) == 10
    assert all(re.search(message, error) for error in grid.errors)


def test_a_promise_adds_its_noise_counts_epsilon_and_stops_training():
    promise = Promise(epsilon=4.0, delta=1e-5, clip=1.0, rounds=2)
    config = SecureSum(word_bits=18, promise=promise, may_drop=2)
    clients = app(SecureMod(config))
    strategy = SecureFedAvg(secure=config, fraction_evaluate=0.0)
    result = start(strategy, LocalGrid(clients, NODES), 4)
    told = result.train_metrics_clientapp
    assert sorted(told) == [1, 2]
    assert 0 < told[1]["qring-epsilon"] < told[2]["qring-epsilon"] <= 4.0
    assert len(clients.trained) == 20
    plan = config.plan(10, COORDS)
    clipped = [d / max(1.0, np.linalg.norm(d)) for d in (target(k) / 2 for k in range(10))]
    one = start(SecureFedAvg(secure=config, fraction_evaluate=0.0),
                LocalGrid(app(SecureMod(config)), NODES), 1)  # fmt: skip
    off = (vector(one) - np.mean(clipped, axis=0)) * 10 / plan.sum_std
    # 40 normal errors: their mean square is within 6 standard deviations but for 1e-6
    assert 0.1 < np.mean(off**2) < 1 + 6 * np.sqrt(2 / 40)


class Liar(LocalGrid):
    """A server that hands node 1 another model, when it asks to train."""

    def send_and_receive(self, messages, *, timeout=None):
        changed = []
        for message in messages:
            if message.content.array_records and message.metadata.dst_node_id == NODES[1]:
                content = RecordDict(dict(message.content.items()))
                content["arrays"] = ArrayRecord(
                    {"w": Array(np.ones((5, 6), np.float32)), "b": Array(np.zeros(10, np.float32))}
                )
                message.content = content
            changed.append(message)
        return super().send_and_receive(changed, timeout=timeout)


def test_another_model_for_one_client_is_found_by_it():
    clients = app(SecureMod(CONFIG))
    grid = Liar(clients, NODES)
    result = start(SecureFedAvg(secure=CONFIG, fraction_evaluate=0.0), grid, 1)
    assert len(grid.errors) == 1
    assert "node 1007: the model is not the one that was offered to all" in grid.errors[0]
    assert 1 not in clients.trained
    assert result.train_metrics_clientapp[1]["qring-lost"] == 1


def test_a_server_without_the_mixin_gets_no_plain_update():
    grid = LocalGrid(app(SecureMod(CONFIG)), NODES)
    start(FedAvg(fraction_evaluate=0.0), grid, 1)
    assert len(grid.errors) == 10
    assert "asks for a plain update" in grid.errors[0]


def test_configurations_that_differ_are_found_before_anything_is_masked():
    other = SecureSum(limit=2.0, word_bits=24, max_examples=5000)
    grid = LocalGrid(app(SecureMod(CONFIG)), NODES)
    start(SecureFedAvg(secure=other, fraction_evaluate=0.0), grid, 1)
    assert all("give both sides the same" in error for error in grid.errors)


def test_metrics_are_sent_in_the_clear_only_if_named():
    config = SecureSum(limit=2.0, word_bits=24, max_examples=100, clear_metrics=("loss",))
    result = start(SecureFedAvg(secure=config, fraction_evaluate=0.0),
                   LocalGrid(app(SecureMod(config)), NODES), 1)  # fmt: skip
    assert result.train_metrics_clientapp[1]["loss"] == 4.5


def test_what_cannot_be_configured_is_refused():
    class SecureKrum(SecureAggregation, Krum):
        pass

    with pytest.raises(qring.InputError, match="Krum looks at single updates"):
        SecureKrum(secure=CONFIG)
    with pytest.raises(qring.InputError, match="secure got 'secagg'"):
        SecureFedAvg(secure="secagg")
    with pytest.raises(qring.InputError, match="signatures take both"):
        SecureMod(CONFIG, identity=lambda _: Identity.fresh())
    with pytest.raises(qring.InputError, match="give a promise too"):
        SecureSum(may_drop=1)

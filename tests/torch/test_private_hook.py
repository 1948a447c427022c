"""Sums under masks between real processes, one of which is killed on the way."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import torch
import torch._dynamo  # DDP wants it: imported once here, and not in every fork
import torch.distributed as dist
from ranks import error_of, run
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import qring
from qring import FixedPoint, Ghz, Integers, Ledger, Network, OnDropout, OutOfRange, Private
from qring.ledger import Phase
from qring.network.adversary.aim import These
from qring.network.adversary.base import Adversary
from qring.network.adversary.online import FlipOnline
from qring.network.adversary.sources import PlusState
from qring.network.noise import QubitNoise
from qring.security.masks.file import MaskFile
from qring.security.masks.inventory import Inventory, mask_path
from qring.security.masks.outcome import PrivateAborted, Reason
from qring.theory.integrity import blame_ledger, check_ledger
from qring.torch import private as hooks
from qring.torch.private import PrivateHook, private_mean

WORDS = FixedPoint(word_bits=16, limit=1.0, out_of_range=OutOfRange.CLIP)
COUNTS = Integers(word_bits=11)
EPSILON = 1e-3


def row(rank: int, coords: int = 5_003) -> np.ndarray:
    return np.random.default_rng(rank).integers(-1000, 1001, size=coords)


def trained(rank: int, hook) -> np.ndarray:
    """Parameters after two steps of a small model, in two buckets."""
    torch.manual_seed(0)
    net = DistributedDataParallel(
        nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 5)), bucket_cap_mb=0.001
    )
    net.register_comm_hook(*hook)
    for turn in range(2):
        net.zero_grad()
        x = torch.randn(8, 30, generator=torch.Generator().manual_seed(10 * turn + rank))
        net(x).square().mean().backward()
        with torch.no_grad():  # a descent by hand: importing an optimiser in a fork takes seconds
            for parameter in net.parameters():
                parameter -= 0.1 * parameter.grad
    return torch.cat([p.detach().reshape(-1) for p in net.parameters()]).numpy()


def _trained(rank: int, size: int):
    state = PrivateHook(Private(encoding=WORDS, epsilon=EPSILON), batch=4000)
    masked = trained(rank, (state, private_mean))
    ghz = trained(rank, (qring.torch.GhzHook(Ghz(encoding=WORDS)), qring.torch.ghz_mean))
    return masked, ghz


def test_four_ranks_train_to_the_parameters_of_ghz_digits_on_the_same_words():
    results = run(4, _trained, limit_s=100)
    for masked, ghz in results:
        assert masked.tobytes() == ghz.tobytes() == results[0][0].tobytes()


def _trained_over_noise(rank: int, size: int):
    noisy = Network(qubit_noise=QubitNoise.white(0.95))
    method = Private(encoding=WORDS, epsilon=EPSILON)
    state = PrivateHook(method, network=noisy, batch=4000)
    masked = trained(rank, (state, private_mean))
    plain = PrivateHook(method, batch=4000)
    return masked, trained(rank, (plain, private_mean)), state.outcome.epsilon


def test_four_ranks_train_over_noisy_copies_to_the_same_parameters():
    results = run(4, _trained_over_noise, limit_s=110)
    for noisy, clean, epsilon in results:
        assert noisy.tobytes() == clean.tobytes() == results[0][0].tobytes()
        assert epsilon <= EPSILON * (1 + 1e-9)


def _summed(rank: int, size: int, folder: str):
    method = Private(encoding=COUNTS, epsilon=EPSILON, inventory=Path(folder))
    state = PrivateHook(method)
    before = error_of(lambda: state.sum(row(rank)))
    assert state.make_masks(12_000) is None
    again = error_of(lambda: state.make_masks(12_000))
    making, results = state.ledger, []
    for _ in range(2):
        outcome = state.sum(row(rank))
        results.append((outcome.sum, outcome.first, outcome.ledger.rows(), outcome.ledger.rounds))
    short = error_of(lambda: state.sum(row(rank)))
    return before, again, making.rows(), results, short


def test_ranks_use_up_an_inventory_and_account_as_one_process_does(tmp_path):
    results = run(3, _summed, str(tmp_path))
    rows = np.stack([row(rank) for rank in range(3)])
    plain = qring.all_reduce(rows, method=qring.Superdense(encoding=COUNTS))
    for before, again, making, sums, short in results:
        assert "cannot open the masks" in before.text
        assert "exists already" in again.text
        assert making == results[0][2]
        assert {entry.phase for entry in Ledger.from_rows(making, 0)} == {Phase.SETUP}
        assert [first for _, first, *_ in sums] == [0, 5_003]
        for total, _, links, rounds in sums:
            assert (total == rows.sum(axis=0)).all()
            checked = check_ledger(3, 5_003, 13, EPSILON * 5_003 / 12_000)
            assert Ledger.from_rows(links, rounds) == plain.ledger + checked
        assert "5,003 masks are needed" in short.text
        assert "1,994 left" in short.text
    # One process goes on with what the ranks have left, and not with what they used.
    method = Private(encoding=COUNTS, epsilon=EPSILON, inventory=tmp_path)
    rest = qring.all_reduce(rows[:, :1_994], method=method, rng=np.random.default_rng(0))
    assert rest.first == 10_006
    assert (rest.sum == rows[:, :1_994].sum(axis=0)).all()


def _killed(rank: int, size: int, folder: str, moment: int):
    dist.destroy_process_group()  # the ring's own group would notice the death first
    store = dist.FileStore(os.environ["PRIVATE_STORE"], size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size)
    method = Private(encoding=COUNTS, epsilon=EPSILON, inventory=Path(folder))
    state = PrivateHook(method, timeout_s=10)
    if rank == 2:
        sent = []

        def isend(*arguments, **options):
            if len(sent) == moment:
                os._exit(9)
            sent.append(1)
            return whole(*arguments, **options)

        whole, hooks.dist.isend = hooks.dist.isend, isend
    dist.barrier()
    started = time.monotonic()
    outcome = state.sum(row(rank))
    spent = time.monotonic() - started
    again = state.sum(row(rank))
    os.environ.pop("PRIVATE_STORE")
    return outcome.reason, again.reason, spent, str(outcome)


def test_a_killed_rank_ends_the_sum_on_all_others_and_no_mask_comes_back(tmp_path, monkeypatch):
    made = Private(encoding=COUNTS, epsilon=EPSILON, inventory=tmp_path / "masks")
    made.stock(20_000, workers=4, rng=np.random.default_rng(0))
    first = mask_path(tmp_path / "masks", 0).read_bytes()
    monkeypatch.setenv("PRIVATE_STORE", str(tmp_path / "store"))
    results = run(4, _killed, str(tmp_path / "masks"), 2, expect_death=True)
    assert results[2] is None
    for rank in (0, 1, 3):
        reason, again, spent, text = results[rank]
        assert reason is again is Reason.DROPOUT
        assert spent < 30  # within the time that ranks are waited for, twice at most
        assert "a worker fell silent" in text
    for worker in range(4):  # a job that is started again goes on behind what was used
        file = MaskFile(mask_path(tmp_path / "masks", worker))
        assert file.used == 5_003
        file.close()
    left = mask_path(tmp_path / "masks", 0).read_bytes()
    pair = 2 * 2
    assert not any(left[4096 : 4096 + 5_003 * pair])
    assert left[4096 + 5_003 * pair :] == first[4096 + 5_003 * pair :]
    with Inventory(tmp_path / "masks") as inventory:
        assert inventory.take(10)[0] == 5_003


def _ahead(rank: int, size: int, folder: str):
    method = Private(encoding=COUNTS, epsilon=EPSILON, inventory=Path(folder))
    if rank == 1:  # took masks once before, and died
        file = MaskFile(mask_path(Path(folder), 1))
        file.take(100)
        file.close()
    state = PrivateHook(method)
    outcome = state.sum(row(rank))
    return outcome.first, outcome.sum


def test_ranks_skip_to_where_the_furthest_one_is(tmp_path):
    made = Private(encoding=COUNTS, epsilon=EPSILON, inventory=tmp_path)
    made.stock(6_000, workers=3, rng=np.random.default_rng(0))
    expected = sum(row(rank) for rank in range(3))
    for first, total in run(3, _ahead, str(tmp_path)):
        assert first == 100
        assert (total == expected).all()


class Bucket:
    """As much of a DDP bucket as a hook looks at."""

    def __init__(self, values: list[float]) -> None:
        self._values = torch.tensor(values)

    def buffer(self) -> torch.Tensor:
        return self._values


def _tampered(rank: int, size: int):
    network = Network(adversary=Adversary(source=PlusState(aim=These(tuple(range(3000))))))
    state = PrivateHook(Private(encoding=WORDS, epsilon=EPSILON), network=network, batch=50)
    error = error_of(lambda: private_mean(state, Bucket([0.5, 0.25])))
    return error, state.outcome.reason, state.outcome.verdict.failed, state.ledger.rounds


def test_tampered_copies_are_found_before_anything_is_sent():
    results = run(3, _tampered)
    for error, reason, failed, rounds in results:
        assert error.kind == "PeerError"
        assert "a tested copy was not what it should be" in error.text
        assert (reason, failed, rounds) == (Reason.TAMPERED, results[0][2], 0)
        assert failed > 0


def _steered(rank: int, size: int):
    last = FlipOnline(rounds=frozenset({3}), receivers=frozenset({1}))
    network = Network(adversary=Adversary(online=last))
    state = PrivateHook(Private(encoding=COUNTS, epsilon=EPSILON), network=network, batch=600)
    ended = state.sum(row(rank, 300))
    real = PrivateHook(Private(encoding=WORDS, epsilon=EPSILON), network=network, batch=30)
    error = error_of(lambda: private_mean(real, Bucket([0.5] * 30)))
    return ended.reason, ended.integrity, ended.ledger.rows(), error


def test_changed_qubits_end_the_sum_on_all_ranks_which_name_the_link():
    made = qring.all_reduce(
        np.stack([row(rank, 300) for rank in range(3)]), method=qring.Superdense(encoding=COUNTS)
    ).ledger
    sizes = (3, 300, 13, EPSILON / 2)
    told = made + check_ledger(*sizes) + blame_ledger(*sizes)
    for reason, verdict, links, error in run(3, _steered):
        assert reason is Reason.CHANGED_ONLINE
        assert verdict.differing == (1,)
        assert verdict.links == ((2, 1),)
        assert Ledger.from_rows(links, told.rounds) == told
        assert error.kind == "PeerError"
        assert "changed on link 2→1" in error.text


def _spoilt(rank: int, size: int):
    state = PrivateHook(Private(encoding=WORDS, epsilon=EPSILON), batch=100)
    own = np.full(60, 0.25)
    own[7] = np.nan if rank == 2 else 0
    error = error_of(lambda: state.sum(own))
    uneven = error_of(lambda: state.sum(np.zeros(5 + rank)))
    return error, uneven, state.sum(np.full(10, 0.5)).mean[0], state.ledger.rounds


def test_ranks_that_cannot_encode_say_so_and_everybody_is_told():
    for rank, (error, uneven, mean, rounds) in enumerate(run(3, _spoilt)):
        expected = "nan at coordinate 7" if rank == 2 else "gradients of rank 2 cannot be encoded"
        assert expected in error.text
        assert "different lengths: [5, 6, 7]" in uneven.text
        assert abs(mean - 0.5) < WORDS.step
        assert rounds == 5  # four of the ring and one of its check


def _refused(rank: int, size: int, folder: str):
    state = PrivateHook(Private(encoding=WORDS))
    restored = PrivateHook.__new__(PrivateHook)
    restored.__dict__.update(state.__getstate__())
    strict = PrivateHook(Private(encoding=COUNTS, epsilon=1e-6, inventory=Path(folder)))
    wide = PrivateHook(Private(encoding=Integers(word_bits=20), inventory=Path(folder)))
    return [
        error_of(lambda: PrivateHook(Private(encoding=WORDS, dropouts={1: 0}))),
        error_of(lambda: PrivateHook(Private(encoding=WORDS, on_dropout=OnDropout.BY_CHUNK))),
        error_of(lambda: PrivateHook(Private(encoding=WORDS, epsilon=2))),
        error_of(lambda: restored.sum(np.zeros(3))),
        error_of(lambda: strict.sum(row(rank))),
        error_of(lambda: wide.sum(row(rank))),
    ]


def test_bad_states_and_masks_that_do_not_fit_are_refused_clearly(tmp_path):
    made = Private(encoding=COUNTS, epsilon=EPSILON, inventory=tmp_path)
    assert not isinstance(
        made.stock(6_000, workers=3, rng=np.random.default_rng(0)), PrivateAborted
    )
    said = [
        "drop out by themselves", "cannot go on without a rank", "epsilon lies in",
        "make a new PrivateHook", "keep epsilon at 0.001, not at 1e-06",
        "for sums of 13 bits; needed are worker",
    ]  # fmt: skip
    for errors in run(3, _refused, str(tmp_path)):
        for error, expected in zip(errors, said, strict=True):
            assert expected in error.text

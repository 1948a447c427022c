"""GHZ communication hooks between real processes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.distributed as dist
from ranks import error_of, run
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import qring.torch as qt
from qring import BitBudget, FixedPoint, Ghz, Integers, Network, OutOfRange, QubitNoise, SignVote

WORDS = FixedPoint(word_bits=16, limit=1.0, out_of_range=OutOfRange.CLIP)


def gradients(rank: int, hook, state) -> np.ndarray:
    """One backward pass of a small model; two buckets."""
    torch.manual_seed(0)
    net = DistributedDataParallel(
        nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 5)), bucket_cap_mb=0.001
    )
    if hook is not None:
        net.register_comm_hook(state, hook)
    for turn in range(2):
        net.zero_grad()
        x = torch.randn(8, 30, generator=torch.Generator().manual_seed(10 * turn + rank))
        net(x).square().mean().backward()
    return torch.cat([p.grad.reshape(-1) for p in net.parameters()]).numpy()


def _mean(rank: int, size: int, network: Network) -> tuple:
    state = qt.GhzHook(Ghz(encoding=WORDS), network=network, seed=1)
    quantised = gradients(rank, qt.ghz_mean, state)
    return quantised, gradients(rank, None, None), state.ledger.rows(), state.copies


@pytest.mark.parametrize(
    "network",
    [
        Network(),
        Network(qubit_noise=QubitNoise.of_visibility(0.9, 3)),
        Network(qubit_noise=QubitNoise(x=0.02)),
    ],
)
def test_the_mean_is_that_of_floats_but_for_half_a_step(network):
    results = run(3, _mean, network)
    for quantised, exact, rows, copies in results:
        assert np.abs(quantised - exact).max() <= WORDS.step * 0.51
        assert (quantised == results[0][0]).all()
        assert rows == results[0][2]
        assert copies == results[0][3]
    digits = BitBudget.of(16, 3).sum_bits
    coords = 2 * len(results[0][0])
    if network.qubit_noise == QubitNoise():
        assert results[0][3] == coords * digits


def _votes(rank: int, size: int) -> tuple:
    state = qt.GhzHook(Ghz(encoding=SignVote()))
    mine = gradients(rank, qt.sign_majority, state)
    torch.manual_seed(0)
    return mine, state.copies


def test_majority_votes_are_signs_and_cost_two_copies_for_three_workers():
    for votes, copies in run(3, _votes):
        assert set(np.unique(votes)) == {-1.0, 1.0}
        assert copies == 2 * 2 * len(votes)


def _spoilt(rank: int, size: int):
    state = qt.GhzHook(Ghz(encoding=WORDS))
    own = np.zeros(10)
    own[3] = np.nan if rank == 1 else 0
    first = error_of(lambda: state.sum(own))
    return first, float(state.sum(np.full(10, 0.5))[0])


def test_a_rank_that_cannot_encode_is_named_everywhere_and_the_state_goes_on():
    results = run(3, _spoilt)
    assert "holds nan at coordinate 3" in results[1][0].text
    assert all("rank 1" in results[rank][0].text for rank in (0, 2))
    assert all(value == pytest.approx(1.5, abs=1e-4) for _, value in results)


def _refused(rank: int, size: int):
    wide = error_of(lambda: qt.GhzHook(Ghz(encoding=Integers(word_bits=62))))
    state = qt.GhzHook(Ghz(encoding=WORDS))
    restored = qt.GhzHook.__new__(qt.GhzHook)
    restored.__dict__.update(state.__getstate__())
    return wide, error_of(lambda: restored.sum(np.zeros(3))), dist.get_rank()


def test_bad_states_are_refused_clearly():
    for wide, restored, _ in run(2, _refused):
        assert "more than 62" in wide.text
        assert "make a new GhzHook" in restored.text

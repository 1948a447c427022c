"""Coded links between processes: every payload arrives as without noise, and is accounted for."""

from __future__ import annotations

import os
import signal

import pytest
import torch
import torch.distributed as dist
from ranks import error_of, run
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import qring.torch as qt
from qring.errors import InputError
from qring.ledger import Carrier, Ledger, Phase
from qring.network.coded.coding import Code, Coding, Emulation
from qring.network.noise import BellDiagonal
from qring.torch.options import Options

RANKS = 3


def _everything(rank: int, size: int):
    """Floats, integers, objects, a message and a DDP step: what each left, and the account."""
    torch.manual_seed(rank)
    floats, whole = torch.randn(4000), torch.arange(3000) * rank
    dist.all_reduce(floats)
    dist.all_reduce(whole)
    objects: list[object] = [None] * size
    dist.all_gather_object(objects, {"rank": rank, "text": "x" * 900})
    message = torch.full((2500,), 7)
    if rank == 0:
        dist.send(message, 1)
    if rank == 1:
        message.zero_()
        dist.recv(message, 0)
    torch.manual_seed(0)
    net = DistributedDataParallel(nn.Linear(40, 30))
    net(torch.randn(8, 40, generator=torch.Generator().manual_seed(rank))).square().sum().backward()
    grad = next(net.parameters()).grad
    assert grad is not None
    ledger = qt.gather_ledger()
    return floats, whole, objects, message, grad, ledger.rows(), ledger.rounds


def _same(ours, theirs) -> bool:
    return all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
        for a, b in zip(ours[:5], theirs[:5], strict=True)
    )


@pytest.mark.parametrize(
    ("fidelity", "coding"),
    [
        (0.97, Coding()),
        (0.999, Coding(code=Code.BCH, emulation=Emulation.SAMPLED)),
        (0.95, Coding(emulation=Emulation.CALIBRATED)),
    ],
    ids=str,
)
@pytest.mark.parametrize("transport", ["memory", "tcp"])
def test_all_payloads_arrive_as_over_perfect_pairs(fidelity, coding, transport) -> None:
    if transport == "tcp" and coding.emulation is Emulation.DECODED:
        pytest.skip("decoders do not see the transport")
    clean = run(RANKS, _everything, options=Options(transport=transport), limit_s=100)
    noisy = run(
        RANKS, _everything, limit_s=110,
        options=Options(noise=BellDiagonal.werner(fidelity), coding=coding, transport=transport),
    )  # fmt: skip
    for ours, theirs in zip(noisy, clean, strict=True):
        assert _same(ours, theirs)
    without, account = (Ledger.from_rows(*found[0][5:]) for found in (clean, noisy))
    assert account.total(Carrier.QUBIT, Phase.ONLINE) == account.total(Carrier.EBIT)
    assert account.total(Carrier.BIT) > 0  # acknowledgements, and what is too short for a code
    carried = account.total(Carrier.QUBIT, Phase.ONLINE) + account.total(Carrier.BIT)
    assert without.total(Carrier.QUBIT, Phase.ONLINE) < carried
    assert account.rounds >= without.rounds


def _dies(rank: int, size: int):
    values = torch.randn(200_000)
    dist.all_reduce(values)
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return error_of(lambda: [dist.all_reduce(values) for _ in range(50)])


def test_a_rank_that_dies_over_coded_links_is_named() -> None:
    options = Options(
        noise=BellDiagonal.werner(0.95), coding=Coding(emulation=Emulation.CALIBRATED)
    )
    found = run(RANKS, _dies, options=options, timeout_s=20, expect_death=True)
    assert "rank 1" in found[0].text
    assert "rank 1" in found[2].text


def test_options_from_the_environment_and_what_they_refuse() -> None:
    found = Options.from_environment(
        {"QRING_NOISE": "0.01", "QRING_CODE": "auto", "QRING_EMULATE": "calibrated"}
    )
    assert found.coding == Coding(emulation=Emulation.CALIBRATED)
    assert "code auto, calibrated" in found.settings
    for environment, says in (
        ({"QRING_CODE": "auto"}, "give noise"),
        ({"QRING_NOISE": "0.1", "QRING_CODE": "best"}, "QRING_CODE"),
        ({"QRING_NOISE": "0.1", "QRING_EMULATE": "decoded"}, "the code is 'none'"),
        ({"QRING_NOISE": "0.1", "QRING_CODE": "ldpc", "QRING_EMULATE": "sampled"}, "ldpc"),
    ):
        with pytest.raises(InputError, match=says):
            Options.from_environment(environment)

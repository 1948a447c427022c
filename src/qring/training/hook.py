"""Which communication hook sums the gradients of a training run, if any does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch.distributed as dist

import qring.torch
from qring.collectives.ghz.method import Ghz
from qring.encoding.values import FixedPoint, OutOfRange, WordEncoding
from qring.ledger import Ledger
from qring.network.network import Network
from qring.network.noise import QubitNoise
from qring.security.dp.encoding import DistributedGaussian
from qring.security.secagg.method import SecAgg
from qring.training import settings
from qring.training.private import agreed_plan
from qring.training.settings import TrainSettings

__all__ = ["Hook", "hook_for"]


class _State(Protocol):
    """State of a hook: the account of all links so far."""

    ledger: Ledger


class Hook(NamedTuple):
    """What DDP's ``register_comm_hook`` takes."""

    state: _State
    mean: Callable[..., Any]


def hook_for(run: TrainSettings, coords: int) -> Hook | None:
    """Make the hook of a run on this rank; without one the process group itself sums.

    Expects an initialised default group; all ranks must call it. ``coords`` is the model's size.

    Raises:
        InputError: settings that the hook cannot work with.
        MissingExtraError: a package that it needs is not installed.
    """
    if run.protocol is settings.Protocol.SECAGG:
        secagg = qring.torch.SecAggHook(SecAgg(encoding=_words(run, coords)))
        return Hook(secagg, qring.torch.secagg_mean)
    if run.protocol is settings.Protocol.GHZ:
        noise = QubitNoise.of_visibility(run.visibility, dist.get_world_size())
        method = Ghz(encoding=_words(run, coords))
        state = qring.torch.GhzHook(method, network=Network(qubit_noise=noise), seed=run.seed)
        return Hook(state, qring.torch.ghz_mean)
    return None


def _words(run: TrainSettings, coords: int) -> WordEncoding:
    if run.dp_epsilon:
        plan = agreed_plan(run, coords)
        if dist.get_rank() == 0:
            print(f"qring: {plan}", file=sys.stderr, flush=True)
        return DistributedGaussian(plan=plan)
    return FixedPoint(word_bits=run.word_bits, limit=run.clip, out_of_range=OutOfRange.CLIP)

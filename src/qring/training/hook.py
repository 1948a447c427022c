"""Which communication hook sums the gradients of a training run, if any does."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
import torch.distributed as dist

import qring.torch
from qring.collectives.ghz.method import Ghz
from qring.encoding.values import FixedPoint, OutOfRange, WordEncoding
from qring.errors import PeerError
from qring.ledger import Ledger
from qring.network.network import Network
from qring.network.noise import QubitNoise
from qring.security.dp.encoding import DistributedGaussian
from qring.security.masks.inventory import mask_path
from qring.security.masks.method import Private
from qring.security.secagg.method import SecAgg
from qring.security.vga.method import Vga
from qring.security.vga.verification import HashedVerification
from qring.training import settings
from qring.training.private import agreed_plan
from qring.training.settings import TrainSettings

__all__ = ["Hook", "hook_for"]

_BATCH = 1 << 20


class _State(Protocol):
    """State of a hook: the account of all links so far."""

    ledger: Ledger


class Hook(NamedTuple):
    """What DDP's ``register_comm_hook`` takes."""

    state: _State
    mean: Callable[..., Any]


def hook_for(run: TrainSettings, coords: int, steps: int) -> Hook | None:
    """Make the hook of a run on this rank; without one the process group itself sums.

    Expects an initialised default group; all ranks must call it. ``coords`` is the model's size,
    ``steps`` the steps of the run.

    Raises:
        InputError: settings that the hook cannot work with.
        PeerError: a rank died while masks were made, or copies were tampered with.
        MissingExtraError: a package that it needs is not installed.
    """
    if run.protocol is settings.Protocol.SECAGG:
        secagg = qring.torch.SecAggHook(SecAgg(encoding=_words(run, coords)))
        return Hook(secagg, qring.torch.secagg_mean)
    if run.protocol in (settings.Protocol.GHZ, settings.Protocol.VGA):
        noise = QubitNoise.of_visibility(run.visibility, dist.get_world_size())
        ghz = Ghz(encoding=_words(run, coords))
        method: Ghz | Vga = ghz
        if run.protocol is settings.Protocol.VGA:
            method = Vga(ghz=ghz, verification=HashedVerification(epsilon=run.epsilon))
        state = qring.torch.GhzHook(method, network=Network(qubit_noise=noise), seed=run.seed)
        return Hook(state, qring.torch.ghz_mean)
    if run.protocol is settings.Protocol.PRIVATE:
        return Hook(_private(run, coords, steps), qring.torch.private_mean)
    return None


def _private(run: TrainSettings, coords: int, steps: int) -> qring.torch.PrivateHook:
    """Masks for the whole run from a folder, or batches of them as they run out."""
    encoding = _words(run, coords)
    a_step = 2 * coords if run.dp_epsilon else coords  # noisy words are padded to a power of two
    batch = max(_BATCH, 4 * a_step)
    batches = 1 if run.masks else -(-steps // (batch // a_step))
    noise = QubitNoise.of_copies(run.visibility, run.qubit_noise)
    state = qring.torch.PrivateHook(
        Private(
            encoding=encoding,
            epsilon=run.epsilon / batches,  # what batches tell adds up
            inventory=Path(run.masks) if run.masks else None,
        ),
        network=Network(qubit_noise=noise),
        seed=run.seed,
        batch=batch,
    )
    if run.masks:
        have = torch.tensor(
            [mask_path(Path(run.masks), dist.get_rank()).exists()], dtype=torch.int64
        )
        dist.all_reduce(have)
        if not have.item():
            ended = state.make_masks(steps * a_step)
            if ended is not None:
                raise PeerError(f"no masks: {ended}")
    return state


def _words(run: TrainSettings, coords: int) -> WordEncoding:
    if run.dp_epsilon:
        plan = agreed_plan(run, coords)
        if dist.get_rank() == 0:
            print(f"qring: {plan}", file=sys.stderr, flush=True)
        return DistributedGaussian(plan=plan)
    return FixedPoint(word_bits=run.word_bits, limit=run.clip, out_of_range=OutOfRange.CLIP)

"""Communication hook that sums the gradients of a training run, if any does."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import torch
import torch.distributed as dist

import qring.torch
from qring.encoding.values import FixedPoint, FloatBits, OutOfRange
from qring.errors import PeerError
from qring.network.network import Network
from qring.network.noise import QubitNoise
from qring.protocols.entry import Sums, default_arguments
from qring.security.dp.encoding import DistributedGaussian
from qring.security.masks.inventory import mask_path
from qring.security.masks.method import Private
from qring.torch.generic import Hook
from qring.training.private import agreed_plan
from qring.training.settings import TrainSettings

__all__ = ["Hook", "hook_for", "private_hook"]

_BATCH = 1 << 20


def hook_for(run: TrainSettings, coords: int, steps: int) -> Hook | None:
    """Make the hook of a run on this rank; without one the process group itself sums.

    Expects an initialised default group; all ranks must call it. ``coords`` is the model's size,
    ``steps`` the steps of the run.

    Raises:
        InputError: settings that the hook cannot work with.
        PeerError: a rank died while masks were made, or copies were tampered with.
        MissingExtraError: a package that it needs is not installed.
    """
    entry = run.entry
    if entry.training:
        module, _, attribute = entry.training.partition(":")
        made: Hook = getattr(import_module(module), attribute)(run, coords, steps)
        return made
    if entry.backend:
        return None
    encoding = _words(run, coords) if entry.sums is Sums.WORDS else FloatBits()
    given = {"epsilon": run.epsilon} if "epsilon" in entry.settings else {}
    method = entry.method(encoding, default_arguments(entry.name, **given))
    return qring.torch.hook(method, network=_network(run), seed=run.seed)


def _network(run: TrainSettings) -> Network:
    if "visibility" not in run.entry.settings:
        return Network()
    noise = QubitNoise.of_visibility(run.visibility, dist.get_world_size())
    return Network(qubit_noise=noise)


def private_hook(run: TrainSettings, coords: int, steps: int) -> Hook:
    """Masks for the whole run from a folder, or batches of them as they run out.

    Raises:
        InputError: settings that masks cannot work with.
        PeerError: no masks.
    """
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
    return Hook(state, qring.torch.private_mean)


def _words(run: TrainSettings, coords: int) -> DistributedGaussian | FixedPoint:
    if run.dp_epsilon:
        plan = agreed_plan(run, coords)
        if dist.get_rank() == 0:
            print(f"qring: {plan}", file=sys.stderr, flush=True)
        return DistributedGaussian(plan=plan)
    return FixedPoint(word_bits=run.word_bits, limit=run.clip, out_of_range=OutOfRange.CLIP)

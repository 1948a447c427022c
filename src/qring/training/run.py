"""One rank's training run: plain DistributedDataParallel; only the process group is special."""

from __future__ import annotations

import functools
import hashlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

import qring.torch
from qring.data import images
from qring.data.images import LabelledImages
from qring.errors import InputError
from qring.jsontext import to_json
from qring.ledger import Ledger
from qring.network.noise import NOISELESS
from qring.security.dp.accountant import spent_after
from qring.torch.audit import audited
from qring.training import models
from qring.training.audit import audit_of
from qring.training.hook import hook_for
from qring.training.private import plan_for, shortening
from qring.training.settings import TrainSettings

__all__ = ["Trained", "train"]

_TEST_SHARE = 0.2
_MOMENTUM = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Outcome of a run, the same on every rank but for ``agreed`` being false.

    ``accuracy`` is rank 0's on the held-out images, in [0, 1]; ``result_hash`` the SHA-256 of its
    parameters; ``agreed`` whether all ranks hold the same parameters, bit for bit.
    """

    accuracy: float
    coords: int
    steps: int
    result_hash: str
    agreed: bool
    ledger: Ledger


def train(settings: TrainSettings, out: Path) -> Trained:
    """Train as one rank of an already launched job, and write ``out/metrics.jsonl`` as rank 0.

    Expects the environment that torchrun sets. Creates and destroys the process group.

    Raises:
        InputError: more workers than a batch's worth of images, or bad settings.
        PeerError: another rank died or disagrees.
    """
    quantum = settings.protocol == "superdense"
    options = qring.torch.Options(
        protocol="classical" if settings.protocol == "classical" else "superdense",
        noise=settings.noise if quantum else NOISELESS,
        coding=settings.coding if quantum else None,
        seed=settings.seed,
        topology=settings.topology,
    )
    dist.init_process_group("qring", pg_options=options)
    try:
        return _train_in_group(settings, out)
    finally:
        dist.destroy_process_group()


def _train_in_group(settings: TrainSettings, out: Path) -> Trained:
    rank, workers = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(settings.seed)
    training, test = images.load(settings.data, seed=settings.seed, test_share=_TEST_SHARE)
    if workers > len(training.labels):
        raise InputError(f"{workers} workers, but only {len(training.labels)} training images")
    private = settings.dp_epsilon > 0
    dataset = TensorDataset(torch.from_numpy(training.images), torch.from_numpy(training.labels))
    sampler: DistributedSampler[tuple[torch.Tensor, ...]]
    sampler = DistributedSampler(
        dataset,
        seed=settings.seed,
        drop_last=private,  # or some images would take part twice
    )
    loader = DataLoader(dataset, batch_size=settings.batch, sampler=sampler)
    model = DistributedDataParallel(models.build(settings.model, training.images.shape[1]))
    hook = hook_for(settings, models.size(model), settings.epochs * len(loader))
    write = functools.partial(_write, out) if rank == 0 else None
    audit = audit_of(settings, model, hook, write)
    if audit is not None:
        model.register_comm_hook(audit, audited)
    elif hook is not None:
        model.register_comm_hook(hook.state, hook.mean)
    optimiser = torch.optim.SGD(model.parameters(), settings.learning_rate, _MOMENTUM)
    steps = 0
    started = time.perf_counter()
    for epoch in range(1, settings.epochs + 1):
        sampler.set_epoch(epoch)
        loss = torch.zeros(())
        for pixels, labels in loader:
            optimiser.zero_grad()
            if private:
                loss = _private_backward(model, pixels, labels, settings)
            else:
                loss = nn.functional.cross_entropy(model(pixels), labels)
                loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            steps += 1
        if rank == 0:
            accuracy = _accuracy(model.module, test)
            row = {
                "protocol": settings.protocol,
                "epoch": epoch,
                "loss_rank0": loss.item(),
                "accuracy": accuracy,
                "elapsed_s": round(time.perf_counter() - started, 3),
            }
            if private:  # so far, at the run's own δ
                plan = plan_for(settings, workers=workers, coords=models.size(model))
                row["epsilon"] = spent_after(plan, epoch)
            _write(out, row)
            print(
                f"{settings.protocol}: epoch {epoch}/{settings.epochs}, "
                f"loss {row['loss_rank0']:.4f}, accuracy {accuracy:.1%}",
                file=sys.stderr,
                flush=True,
            )
    ledger = qring.torch.gather_ledger()  # before the hashes travel: only training is accounted
    if hook is not None:
        ledger += hook.state.ledger
    own_hash = _hash(model.module)
    hashes: list[str] = [""] * workers
    dist.all_gather_object(hashes, own_hash)
    return Trained(
        accuracy=_accuracy(model.module, test),
        coords=models.size(model),
        steps=steps,
        result_hash=hashes[0],
        agreed=len(set(hashes)) == 1,
        ledger=ledger,
    )


def _private_backward(
    model: DistributedDataParallel,
    pixels: torch.Tensor,
    labels: torch.Tensor,
    settings: TrainSettings,
) -> torch.Tensor:
    """Leave the noisy mean of shortened gradients; return this rank's own loss, as it was."""
    factors = shortening(model.module, pixels, labels, settings.dp_clip)
    losses = nn.functional.cross_entropy(model(pixels), labels, reduction="none")
    (factors * losses).sum().backward()  # type: ignore[no-untyped-call]
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad /= settings.batch  # the hook has divided by the workers
    return losses.detach().mean()


def _write(out: Path, row: dict[str, Any]) -> None:
    with (out / "metrics.jsonl").open("a") as file:
        file.write(to_json(row) + "\n")


def _accuracy(model: nn.Module, test: LabelledImages) -> float:
    with torch.no_grad():
        guesses = model(torch.from_numpy(test.images)).argmax(dim=1)
    return float((guesses == torch.from_numpy(test.labels)).float().mean())


def _hash(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for parameter in model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest()

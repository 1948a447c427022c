"""Differentially private training: what is promised to every image, and how its gradient is cut.

Source: Abadi et al., Deep learning with differential privacy (2016), with the noise shared out
among the workers and no subsampling: every image takes part once in every epoch. Lengths of single
gradients: Goodfellow, Efficient per-example gradient computations (2015).
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import nn

from qring.errors import InputError, QringError
from qring.security.dp.calibration import calibrate
from qring.security.dp.plan import Plan, Promise, Unit
from qring.training.settings import TrainSettings

__all__ = ["agreed_plan", "plan_for", "shortening"]

_MARGIN = 1e-3  # share of the length kept back for what sums of 32-bit floats round


def _promise(run: TrainSettings) -> Promise:
    return Promise(
        epsilon=run.dp_epsilon,
        delta=run.dp_delta,
        clip=run.dp_clip,
        rounds=run.epochs,
        unit=Unit.EXAMPLE,
        examples=run.batch,
    )


def plan_for(run: TrainSettings, *, workers: int, coords: int) -> Plan:
    """Noise that keeps the run's promise to each image, over all epochs.

    Raises:
        InputError: a promise nobody can keep.
        BudgetError: words too small for it.
        MissingExtraError: the package dp-accounting is not installed.
    """
    return calibrate(_promise(run), workers=workers, coords=coords, word_bits=run.word_bits)


def agreed_plan(run: TrainSettings, coords: int) -> Plan:
    """The plan that rank 0 finds, the same on all ranks to the last bit.

    Raises:
        InputError: rank 0 found none; its own error says why.
    """
    workers = dist.get_world_size()
    found = torch.zeros(2, dtype=torch.float64)
    problem: QringError | None = None
    if dist.get_rank() == 0:
        try:
            plan = plan_for(run, workers=workers, coords=coords)
            found = torch.tensor([plan.step, plan.local_std], dtype=torch.float64)
        except QringError as error:
            problem = error
    dist.broadcast(found, src=0)
    if problem is not None:
        raise problem
    step, local_std = found.tolist()
    if not step:
        raise InputError("rank 0 found no noise that keeps the promise; see there")
    return Plan(
        promise=_promise(run), workers=workers, may_drop=0, coords=coords,
        word_bits=run.word_bits, step=step, local_std=local_std,
    )  # fmt: skip


def shortening(
    model: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, longest: float
) -> torch.Tensor:
    """Factors, one an image, that shorten its own gradient to the L2 length ``longest``.

    The gradient of Σ factorᵢ·lossᵢ is then the sum of the shortened gradients. Of a linear layer
    with inputs a an image's gradient has the squared length ‖δ‖²·(‖a‖² + 1), δ being the
    gradient at the layer's outputs: no image's gradient is ever formed.

    Raises:
        InputError: the model has parameters outside linear layers with a bias.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    if len(list(model.parameters())) != 2 * len(layers):
        raise InputError("lengths of single gradients are known for linear layers only")
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    handles = [
        layer.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
        for layer in layers
    ]
    loss = nn.functional.cross_entropy(model(pixels), labels, reduction="sum")
    for handle in handles:
        handle.remove()
    slopes = torch.autograd.grad(loss, [output for _, output in seen])
    squares = sum(
        (
            slope.double().square().sum(dim=1) * (inputs.detach().double().square().sum(dim=1) + 1)
            for slope, (inputs, _) in zip(slopes, seen, strict=True)
        ),
        start=torch.zeros(len(labels), dtype=torch.float64),  # squares overflow no float64
    )
    return (longest * (1 - _MARGIN) / squares.sqrt()).clamp(max=1.0).to(loss.dtype)

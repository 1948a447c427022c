"""DeepSpeed's ZeRO on processors, over the ring: the same losses at every stage, to rounding.

pip install deepspeed, then: torchrun --nproc-per-node 2 examples/deepspeed_zero.py
"""

import warnings

import deepspeed
import torch
import torch.distributed as dist
from torch import nn

import qring.torch

SETTINGS = {
    "train_micro_batch_size_per_gpu": 16,
    "optimizer": {"type": "SGD", "params": {"lr": 0.02}},
    "zero_allow_untested_optimizer": True,
}


def train(stage: int) -> list[float]:
    """Fit a line with optimiser states, gradients and parameters shared out as ``stage`` says."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    settings = {**SETTINGS, "zero_optimization": {"stage": stage}}
    engine, *_ = deepspeed.initialize(
        model=model, model_parameters=model.parameters(), config=settings
    )
    losses = []
    for step in range(10):
        seed = torch.Generator().manual_seed(10 * step + dist.get_rank())
        inputs = torch.randn(16, 8, generator=seed)
        loss = nn.functional.mse_loss(engine(inputs), inputs.sum(dim=1, keepdim=True))
        engine.backward(loss)
        engine.step()
        losses.append(loss.item())
    return losses


def main() -> None:
    """Train at all stages; DeepSpeed takes the group that is there."""
    warnings.simplefilter("ignore")
    dist.init_process_group("qring")
    deepspeed.init_distributed(dist_backend="qring", dist_init_required=False)
    found = {stage: train(stage) for stage in range(4)}
    for losses in found.values():
        assert torch.allclose(torch.tensor(losses), torch.tensor(found[0])), found
    if dist.get_rank() == 0:
        qubits = qring.torch.ledger().totals.online_qubits
        print(f"loss {found[0][-1]:.4f} at stages 0 to 3; {qubits} online qubits")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

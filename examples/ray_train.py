"""Ray Train over the ring: two workers fit a line, one of them is killed, and the run goes on.

pip install "ray[train]", then: python examples/ray_train.py
"""

import os
import signal
import tempfile
from pathlib import Path

import ray.train
import torch
import torch.distributed as dist
from ray.train import Checkpoint, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from torch import nn

import qring.torch


def train() -> None:
    """Ten steps; the first attempt of rank 1 kills itself after five."""
    torch.manual_seed(0)
    rank, start = dist.get_rank(), 0
    model = ray.train.torch.prepare_model(nn.Linear(8, 1))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    if (checkpoint := ray.train.get_checkpoint()) is not None:
        state = torch.load(Path(checkpoint.path) / "state.pt", weights_only=True)
        start = state["step"]
        model.module.load_state_dict(state["model"])
    for step in range(start, 10):
        if step == 5 and start == 0 and rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        inputs = torch.randn(64, 8, generator=torch.Generator().manual_seed(10 * step + rank))
        optimiser.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), inputs.sum(dim=1, keepdim=True))
        loss.backward()
        optimiser.step()
        qubits = qring.torch.ledger().totals.online_qubits
        with tempfile.TemporaryDirectory() as folder:
            state = {"step": step + 1, "model": model.module.state_dict()}
            torch.save(state, Path(folder) / "state.pt")
            found = {"loss": loss.item(), "step": step + 1, "online_qubits": qubits}
            ray.train.report(found, checkpoint=Checkpoint(folder))


if __name__ == "__main__":
    trainer = TorchTrainer(
        train,
        torch_config=TorchConfig(backend="qring"),
        scaling_config=ScalingConfig(num_workers=2),
        run_config=RunConfig(
            storage_path=str(Path.cwd() / "ray"), failure_config=FailureConfig(max_failures=1)
        ),
    )
    print(trainer.fit().metrics)

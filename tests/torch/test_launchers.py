"""Scripts of the usual kind, started by Lightning and by accelerate, over the ring."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIGHTNING = """
import sys
import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy
from torch.utils.data import DataLoader, TensorDataset

import qring.torch


class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, index):
        return (self.layer(batch[0]).squeeze() - batch[1]).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


torch.manual_seed(0)
x = torch.randn(64, 4)
trainer = pl.Trainer(
    accelerator="cpu", devices=2, max_epochs=2, logger=False, enable_checkpointing=False,
    enable_progress_bar=False, enable_model_summary=False,
    strategy=DDPStrategy(process_group_backend=sys.argv[1]),
)
net = Net()
trainer.fit(net, DataLoader(TensorDataset(x, x.sum(1)), batch_size=8))
name = torch.distributed.get_backend()
if trainer.is_global_zero:
    qubits = qring.torch.ledger().totals.online_qubits if name == "qring" else 0
    print("FOUND", name, net.layer.weight.detach().numpy().tobytes().hex(), qubits > 0)
"""

ACCELERATE = """
import sys
import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset

import qring.torch

dist.init_process_group(sys.argv[1])
accelerator = Accelerator(cpu=True)
torch.manual_seed(0)
x = torch.randn(64, 4)
net = torch.nn.Linear(4, 1)
optimiser = torch.optim.SGD(net.parameters(), 0.1)
loader = DataLoader(TensorDataset(x, x.sum(1)), batch_size=8)
net, optimiser, loader = accelerator.prepare(net, optimiser, loader)
for inputs, targets in loader:
    optimiser.zero_grad()
    accelerator.backward((net(inputs).squeeze() - targets).square().mean())
    optimiser.step()
total = accelerator.reduce(torch.ones(1), "sum").item()
name = dist.get_backend()
if accelerator.is_main_process:
    weight = accelerator.unwrap_model(net).weight.detach().numpy().tobytes().hex()
    qubits = qring.torch.ledger().totals.online_qubits if name == "qring" else 0
    print("FOUND", name, weight, qubits > 0, total)
dist.destroy_process_group()
"""


def _found(command: list[str], folder: Path) -> list[str]:
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "TMPDIR": str(folder),
    }  # fmt: skip
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=110, env=environment
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("FOUND")]
    assert lines, run.stderr[-3000:]
    return lines[0].split()[1:]


@pytest.mark.slow
def test_lightning_runs_with_only_the_name_changed(tmp_path):
    pytest.importorskip("pytorch_lightning", reason="Lightning is not installed")
    script = tmp_path / "script.py"
    script.write_text(LIGHTNING)
    ours, theirs = (
        _found([sys.executable, str(script), name], tmp_path) for name in ("qring", "gloo")
    )
    assert ours[0] == "qring"
    assert ours[2] == "True"
    assert ours[1] == theirs[1]


@pytest.mark.slow
def test_accelerate_takes_a_group_that_is_there(tmp_path):
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    script = tmp_path / "script.py"
    script.write_text(ACCELERATE)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ours, theirs = (_found([*launch, str(script), name], tmp_path) for name in ("qring", "gloo"))
    assert ours[0] == "qring"
    assert ours[2:] == ["True", "2.0"]
    assert ours[1] == theirs[1]

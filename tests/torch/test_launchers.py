"""Scripts of the usual kind over the ring: Lightning, accelerate, transformers, PEFT, Opacus."""

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
        loss = (self.layer(batch[0]).squeeze() - batch[1]).square().mean()
        self.log("loss", loss, on_step=False, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch, index):
        self.log("error", self(batch[0]).abs().mean(), sync_dist=True)

    def forward(self, x):
        return self.layer(x)

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
data = TensorDataset(x, x.sum(1))
trainer.fit(net, DataLoader(data, batch_size=8), DataLoader(data, batch_size=6))
name = torch.distributed.get_backend()
if trainer.is_global_zero:
    qubits = qring.torch.ledger().totals.online_qubits if name == "qring" else 0
    logged = ["%.9g" % trainer.callback_metrics[key] for key in ("loss", "error")]
    weight = net.layer.weight.detach().numpy().tobytes().hex()
    print("FOUND", name, qubits > 0, weight, *logged)
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
    print("FOUND", name, qubits > 0, weight, total)
dist.destroy_process_group()
"""

START = """
import sys
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel
import qring.torch

dist.init_process_group(sys.argv[1])
rank = dist.get_rank()
torch.manual_seed(0)
x = torch.randn(64, 4)
"""

END = """
found = b"".join(p.detach().numpy().tobytes() for p in net.parameters()).hex()
if rank == 0:
    name = dist.get_backend()
    qubits = qring.torch.ledger().totals.online_qubits if name == "qring" else 0
    print("FOUND", name, qubits > 0, found)
"""

TRANSFORMERS = """
from transformers import Trainer, TrainingArguments


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, x, y):
        return {"loss": (self.layer(x).squeeze(-1) - y).square().mean()}


net = Net()
settings = TrainingArguments(
    output_dir=sys.argv[2], use_cpu=True, max_steps=6, per_device_train_batch_size=4,
    report_to=[], save_strategy="no", logging_steps=2, disable_tqdm=True,
)
Trainer(net, settings, train_dataset=[{"x": row, "y": row.sum()} for row in x]).train()
"""

PEFT = """
from peft import LoraConfig, get_peft_model

net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
net = get_peft_model(net, LoraConfig(r=2, target_modules=["0", "2"]))
model = DistributedDataParallel(net)
optimiser = torch.optim.AdamW(p for p in net.parameters() if p.requires_grad)
for turn in range(6):
    optimiser.zero_grad()
    batch = x[rank + 2 * turn :: 12]
    (model(batch).squeeze() - batch.sum(1)).square().mean().backward()
    optimiser.step()
"""

OPACUS = """
import warnings
warnings.simplefilter("ignore")
from opacus import PrivacyEngine
from opacus.distributed import DifferentiallyPrivateDistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset

net = nn.Linear(4, 1)
model, optimiser, loader = PrivacyEngine().make_private(
    module=DifferentiallyPrivateDistributedDataParallel(net),
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(TensorDataset(x, x.sum(1)), batch_size=16),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for inputs, targets in loader:
    optimiser.zero_grad()
    (model(inputs).squeeze(-1) - targets).square().mean().backward()
    optimiser.step()
"""

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def _found(command: list[str], folder: Path) -> list[str]:
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "TMPDIR": str(folder),
    }  # fmt: skip
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=140, env=environment
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("FOUND")]
    assert lines, run.stderr[-3000:]
    return lines[0].split()[1:]


def _agree(launch: list[str], program: str, folder: Path) -> None:
    """With the ring the program uses qubits, and ends with the weights that it has with Gloo."""
    script = folder / "script.py"
    script.write_text(program)
    ours, theirs = (
        _found([*launch, str(script), name, str(folder)], folder) for name in ("qring", "gloo")
    )
    assert ours[:2] == ["qring", "True"]
    assert theirs[:2] == ["gloo", "False"]
    assert ours[2:] == theirs[2:]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_lightning_trains_and_logs_with_only_the_name_changed(tmp_path):
    pytest.importorskip("pytorch_lightning", reason="Lightning is not installed")
    _agree([sys.executable], LIGHTNING, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_accelerate_takes_a_group_that_is_there(tmp_path):
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    _agree(TORCHRUN, ACCELERATE, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("package", "program"), [("transformers", TRANSFORMERS), ("peft", PEFT), ("opacus", OPACUS)]
)
def test_training_libraries_take_a_group_that_is_there(package, program, tmp_path):
    pytest.importorskip(package, reason=f"{package} is not installed")
    _agree(TORCHRUN, START + program + END, tmp_path)

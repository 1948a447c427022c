"""An ordinary DDP script; only the backend's name tells that its gradients ride a quantum ring.

torchrun --nproc-per-node 2 examples/ddp.py
"""

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import qring.torch


def main() -> None:
    """Fit a line on two or more workers and print what crossed the network."""
    dist.init_process_group("qring")
    torch.manual_seed(dist.get_rank())
    inputs = torch.randn(256, 8)
    targets = inputs.sum(dim=1, keepdim=True)
    model = DistributedDataParallel(nn.Linear(8, 1))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(20):
        optimiser.zero_grad()
        loss = nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        optimiser.step()
    ledger = qring.torch.gather_ledger()
    if dist.get_rank() == 0:
        print(f"loss {loss.item():.4f}; {ledger.totals}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

"""A quantum model, trained data-parallel over the ring: a variational circuit as a torch layer.

The gradients of the circuit's angles ride the same ring as any others. Needs PennyLane:

pip install pennylane; torchrun --nproc-per-node 2 examples/quantum_model.py
"""

import pennylane as qml
import torch
import torch.distributed as dist
from sklearn.datasets import load_breast_cancer
from torch import nn
from torch.nn.parallel import DistributedDataParallel

import qring.torch

QUBITS, LAYERS = 4, 2


@qml.qnode(qml.device("default.qubit", wires=QUBITS), interface="torch", diff_method="backprop")
def circuit(inputs: torch.Tensor, weights: torch.Tensor) -> qml.measurements.ExpectationMP:
    """Angles in, one expectation out; the batch is a dimension of the state vector."""
    qml.AngleEmbedding(inputs, wires=range(QUBITS))
    qml.StronglyEntanglingLayers(weights, wires=range(QUBITS))
    return qml.expval(qml.PauliZ(0))


def main() -> None:
    """Tell malignant from benign tumours by four features, on two or more workers."""
    dist.init_process_group("qring")
    torch.manual_seed(0)
    rank, workers = dist.get_rank(), dist.get_world_size()
    features, labels = load_breast_cancer(return_X_y=True)
    inputs = torch.tensor(features[:, [0, 1, 7, 27]], dtype=torch.float32)
    inputs = (inputs - inputs.mean(dim=0)) / inputs.std(dim=0)
    targets = torch.tensor(labels, dtype=torch.float32)
    layer = qml.qnn.TorchLayer(circuit, {"weights": (LAYERS, QUBITS, 3)})
    model = DistributedDataParallel(nn.Sequential(layer, nn.Unflatten(0, (-1, 1)), nn.Linear(1, 1)))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    mine = slice(rank, 400, workers)
    for _ in range(30):
        optimiser.zero_grad()
        logits = model(inputs[mine]).squeeze(dim=1)
        nn.functional.binary_cross_entropy_with_logits(logits, targets[mine]).backward()
        optimiser.step()
    with torch.no_grad():
        right = ((model(inputs[400:]).squeeze(dim=1) > 0) == (targets[400:] > 0)).float().mean()
    ledger = qring.torch.gather_ledger()
    if rank == 0:
        print(f"accuracy on 169 held-out patients {right:.1%}; {ledger.totals}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

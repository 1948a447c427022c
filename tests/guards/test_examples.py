"""Every example is short, and runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
RANKS = {"ddp.py", "quantum_model.py", "deepspeed_zero.py"}  # started by torchrun, as they say
NEEDS = {
    "ddp.py": ["torch"],
    "deepspeed_zero.py": ["torch", "deepspeed"],
    "ray_train.py": ["torch", "ray"],
    "quantum_model.py": ["torch", "pennylane", "sklearn"],
    "federated_mnist.py": ["flwr", "mlxtend", "cryptography", "dp_accounting"],
    "secagg_over_http.py": ["cryptography"],
    "reproduce_on_dask.py": ["distributed", "joblib", "scipy"],
}

OTHERS = {path.name for path in EXAMPLES.glob("*.py")} - {
    "sum_around_the_ring.py",
    "quantum_model.py",
    "dp_training.py",  # has a test of its own
}


@pytest.mark.parametrize(
    "path",
    sorted(path for path in EXAMPLES.iterdir() if path.is_file()),
    ids=lambda path: path.name,
)
def test_examples_are_short(path):
    assert len(path.read_text().splitlines()) <= 60


def run(path, folder):
    for module in NEEDS.get(path.name, []):
        pytest.importorskip(module)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    found = subprocess.run(
        [
            sys.executable,
            *(launcher if path.name in RANKS else []),
            str(path),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert found.returncode == 0, found.stderr[-2000:]
    assert found.stdout.strip()
    return found.stdout


def test_the_first_example_runs_and_leaves_its_page(tmp_path):
    assert "online_qubits=96000" in run(EXAMPLES / "sum_around_the_ring.py", tmp_path)
    assert (tmp_path / "ring.html").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_quantum_model_learns_over_the_ring(sweep, tmp_path):
    assert sweep(True, sample=True)  # most of its time goes into imports, twice
    said = run(EXAMPLES / "quantum_model.py", tmp_path)
    # To call all of them benign would be right for 76.9%.
    assert float(said.split("%")[0].split()[-1]) > 85
    assert "online_qubits=0" not in said


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(OTHERS))
def test_examples_run(name, sweep, tmp_path):
    assert sweep(True, sample=True)
    run(EXAMPLES / name, tmp_path)

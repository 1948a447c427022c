"""Two hosts: as network namespaces on one machine where that is allowed, else by forced TCP."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PROGRAM = """
    import json, os, sys
    import torch, torch.distributed as dist
    import qring.torch

    dist.init_process_group("qring")
    rank, size = dist.get_rank(), dist.get_world_size()
    values = torch.arange(300_000.0) + rank
    dist.all_reduce(values)
    right = bool(torch.equal(values, torch.arange(300_000.0) * size + sum(range(size))))
    letter = torch.full((5,), float(rank))
    came = torch.empty(5)
    jobs = [dist.isend(letter, (rank + 1) % size), dist.irecv(came, (rank - 1) % size)]
    for job in jobs:
        job.wait()
    right = right and came[0].item() == (rank - 1) % size
    ledger = qring.torch.gather_ledger()
    how = dist.group.WORLD._node.transports
    if rank == 0:
        print(json.dumps({"right": right, "how": how, "qubits": ledger.totals.online_qubits}))
    dist.barrier()
    dist.destroy_process_group()
"""


def _may_make_namespaces() -> bool:
    if shutil.which("ip") is None or os.geteuid() != 0:
        return False
    name = f"qring-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)  # noqa: S607
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)  # noqa: S607
    return made.returncode == 0


@pytest.fixture
def hosts():
    """Prefixes of commands that run on host A and host B, and the address of A."""
    a, b = f"qring-a-{os.getpid()}", f"qring-b-{os.getpid()}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)  # noqa: S607

    if not _may_make_namespaces():
        pytest.skip("network namespaces are not allowed here")
    try:
        ip("netns", "add", a)
        ip("netns", "add", b)
        ip("link", "add", "qra", "netns", a, "type", "veth", "peer", "name", "qrb", "netns", b)
        for name, device, address in ((a, "qra", "10.77.0.1/24"), (b, "qrb", "10.77.0.2/24")):
            ip("-n", name, "addr", "add", address, "dev", device)
            ip("-n", name, "link", "set", device, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield ["ip", "netns", "exec", a], ["ip", "netns", "exec", b], "10.77.0.1"
    finally:
        for name in (a, b):
            subprocess.run(["ip", "netns", "del", name], check=False)  # noqa: S607


def _torchrun(prefix: list[str], node: int, nodes: int, ranks: int, master: str, program: Path):
    command = [
        *prefix, sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes}",
        f"--node-rank={node}", f"--nproc-per-node={ranks}", f"--master-addr={master}",
        "--master-port=29577", str(program),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def _finish(processes: list[subprocess.Popen[str]]) -> dict[str, object]:
    try:
        outputs = [process.communicate(timeout=90) for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return json.loads(outputs[0][0].strip().splitlines()[-1])


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    return path


def test_two_hosts_of_two_ranks(hosts, program):
    a, b, master = hosts
    found = _finish(
        [_torchrun(a, 0, 2, 2, master, program), _torchrun(b, 1, 2, 2, master, program)]
    )
    assert found["right"]
    assert found["how"] == {"1": "memory", "2": "tcp", "3": "tcp"}
    assert found["qubits"] == 16 * (2 * 3 * 300_000 + 4 * 5)


def test_torchrun_by_tcp(program, monkeypatch):
    monkeypatch.setenv("QRING_TRANSPORT", "tcp")
    found = _finish([_torchrun([], 0, 1, 2, "127.0.0.1", program)])
    assert found["right"]
    assert found["how"] == {"1": "tcp"}


def test_the_example_of_two_hosts():
    if not _may_make_namespaces():
        pytest.skip("network namespaces are not allowed here")
    script = Path(__file__).parents[2] / "examples" / "two_hosts.sh"
    run = subprocess.run(
        ["sh", str(script)],  # noqa: S607
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "Totals(online_bits=0, online_qubits=" in run.stdout

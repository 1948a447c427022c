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


def _result(command: list[str], folder: Path) -> dict[str, object]:
    """What a program printed last; torchrun leaves its folders in ours."""
    environment = {
        **os.environ, "OMP_NUM_THREADS": "1", "PYTHON": sys.executable, "TMPDIR": str(folder),
    }  # fmt: skip
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=290, env=environment
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.strip().splitlines()[-1])


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))
    return path


@pytest.mark.timeout(300)  # six processes that import PyTorch: busy machines take their time
def test_two_hosts_of_two_ranks(program, tmp_path):
    if not _may_make_namespaces():
        pytest.skip("network namespaces are not allowed here")
    script = Path(__file__).parents[2] / "examples" / "two_hosts.sh"
    before = set(tmp_path.iterdir())
    found = _result(["sh", str(script), str(program)], tmp_path)
    assert found["right"]
    assert found["how"] == {"1": "memory", "2": "tcp", "3": "tcp"}
    assert found["qubits"] == 16 * (2 * 3 * 300_000 + 4 * 5)
    assert set(tmp_path.iterdir()) == before  # the example sweeps up


def test_one_host_by_tcp(program, tmp_path, monkeypatch):
    if _may_make_namespaces():
        pytest.skip("the two hosts of the other test reach each other by TCP")
    monkeypatch.setenv("QRING_TRANSPORT", "tcp")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    found = _result([*torchrun, "--nproc-per-node=2", str(program)], tmp_path)
    assert found["right"]
    assert found["how"] == {"1": "tcp"}


BY_URL = """
    import sys
    import torch, torch.distributed as dist
    import qring.torch

    rank = int(sys.argv[1])
    for method in sys.argv[2:]:
        dist.init_process_group("qring", init_method=method, rank=rank, world_size=2)
        total = torch.tensor([1.0 + rank])
        dist.all_reduce(total)
        print(total.item(), *dist.group.WORLD._node.transports.values())
        dist.destroy_process_group()
"""


@pytest.mark.timeout(300)
def test_two_hosts_meet_by_url_without_a_master_address(tmp_path):
    if not _may_make_namespaces():
        pytest.skip("network namespaces are not allowed here")
    script = tmp_path / "by_url.py"
    script.write_text(textwrap.dedent(BY_URL))
    names = [f"qring-url-{os.getpid()}-{k}" for k in range(2)]
    one, other = names
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MASTER", "QRING"))}
    environment["OMP_NUM_THREADS"] = "1"
    ranks = []
    try:
        for command in (
            f"netns add {one}", f"netns add {other}",
            f"link add cable netns {one} type veth peer cable netns {other}",
            *(part for k, name in enumerate(names) for part in (
                f"-n {name} addr add 10.79.0.{k + 1}/24 dev cable",
                f"-n {name} link set cable up", f"-n {name} link set lo up",
                f"-n {name} route add default dev cable",
            )),
        ):  # fmt: skip
            subprocess.run(["ip", *command.split()], check=True)  # noqa: S607
        methods = ["tcp://10.79.0.1:29555", f"file://{tmp_path}/store"]
        for rank, name in enumerate(names):
            command = ["ip", "netns", "exec", name, sys.executable, script, str(rank), *methods]
            ranks.append(subprocess.Popen(
                command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            ))  # fmt: skip
        for rank in ranks:
            out, errors = rank.communicate(timeout=240)
            assert out.split() == ["3.0", "tcp"] * 2, errors[-3000:]
    finally:
        for rank in ranks:
            rank.kill()
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False)  # noqa: S607

"""The backend's name is known to PyTorch without an import of qring."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

SCRIPT = """
import sys, torch, torch.distributed as dist
assert "qring.torch" not in sys.modules
dist.init_process_group("qring")
value = torch.ones(3)
dist.all_reduce(value)
print(dist.get_backend(), value.tolist())
dist.destroy_process_group()
"""


def test_a_script_that_never_imports_qring_can_use_it():
    if not any(point.name == "qring" for point in entry_points(group="torch.backends")):
        pytest.skip("qring is not installed, only on the path")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **alone},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert run.stdout == "qring [1.0, 1.0, 1.0]\n", run.stderr


def test_registering_never_raises(monkeypatch):
    from qring import autoload

    monkeypatch.setitem(sys.modules, "torch.distributed", None)  # an import of it now fails
    autoload.register()

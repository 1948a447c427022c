from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # where ranks.py lies

pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    """No test leaves a name in /dev/shm."""
    before = set(os.listdir("/dev/shm"))  # noqa: PTH208, S108
    yield
    left = {name for name in set(os.listdir("/dev/shm")) - before if "qring" in name}  # noqa: PTH208, S108
    assert not left

"""Found by ``import torch``: makes the backend's name known, and loads nothing else.

With it, ``init_process_group("qring")`` works in scripts that never import qring.
"""

from __future__ import annotations

import contextlib
from typing import Any

__all__ = ["register"]


def register() -> None:
    """Register a backend that imports the real one when a group is made.

    PyTorch calls this while it is itself being imported, and fails to import if it raises; a
    program that does not use the backend must not notice it.
    """
    with contextlib.suppress(Exception):
        import torch.distributed as dist

        if dist.is_available() and "qring" not in dist.Backend.backend_list:
            dist.Backend.register_backend(
                "qring", _create, extended_api=True, devices=["cpu", "cuda"]
            )


def _create(opts: Any, pg_options: Any) -> Any:  # noqa: ANN401 - PyTorch's calling convention
    from qring.torch.backend import create

    return create(opts, pg_options)

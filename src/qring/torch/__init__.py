"""The quantum ring as a PyTorch process group: ``init_process_group("qring")``.

Importing this package registers the backend ``qring`` with ``torch.distributed``.
"""

from __future__ import annotations

from qring.errors import MissingExtraError

try:
    import torch.distributed as _dist  # noqa: F401
except ImportError:
    raise MissingExtraError("the PyTorch backend", "torch") from None

from qring.torch.accounts import gather_ledger, ledger, monitored_barrier, reset_ledger
from qring.torch.backend import create_group
from qring.torch.backend import register as _register
from qring.torch.generic import Hook, MethodHook, hook, method_mean
from qring.torch.hooks import GhzHook, ghz_mean, sign_majority
from qring.torch.options import Options
from qring.torch.private import PrivateHook, private_mean
from qring.torch.secagg import SecAggHook, secagg_mean

__all__ = [
    "GhzHook",
    "Hook",
    "MethodHook",
    "Options",
    "PrivateHook",
    "SecAggHook",
    "create_group",
    "gather_ledger",
    "ghz_mean",
    "hook",
    "ledger",
    "method_mean",
    "monitored_barrier",
    "private_mean",
    "reset_ledger",
    "secagg_mean",
    "sign_majority",
]

_register()

"""Registering the backend, and making a group when PyTorch asks for one."""

from __future__ import annotations

import warnings
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import ProcessGroup, ProcessGroupGloo, Store

from qring.errors import InputError
from qring.torch.engine.carriers import Carriers
from qring.torch.engine.node import Node
from qring.torch.options import Options
from qring.torch.surface.group import NAME, RingProcessGroup
from qring.torch.surface.post import Post
from qring.torch.transport.rendezvous import meet

__all__ = ["create", "register"]


def register() -> None:
    """Make the backend known to ``torch.distributed``; doing it again changes nothing."""
    if NAME not in dist.Backend.backend_list:
        dist.Backend.register_backend(NAME, create, extended_api=True, devices=["cpu", "cuda"])


def create(opts: Any, pg_options: Options | None) -> RingProcessGroup:
    """Make a group; ``torch.distributed`` calls this.

    A group made without options takes those of the default group, and its timeout where the
    caller gave none; the default group takes the environment's.

    Raises:
        InputError: the options are not an :class:`Options`, or the environment's make none.
        PeerError: another rank did not come in time.
    """
    parent = _default_group()
    if pg_options is not None and not isinstance(pg_options, Options):
        raise InputError(f"pg_options is a qring.torch.Options, not {type(pg_options).__name__}")
    options = pg_options or (parent.options if parent else Options.from_environment())
    timeout = opts.timeout
    if parent is not None and timeout == dist.default_pg_timeout:
        timeout = parent.timeout  # what PyTorch passes is its own default, not the parent's
    names = list(opts.global_ranks_in_group) or list(range(opts.group_size))
    if options.is_noisy and parent is None:
        warnings.warn(
            f"{options.noise} without error correction: floating-point payloads arrive with "
            "flipped bits",
            stacklevel=2,
        )
    rank, stream = opts.group_rank, str(opts.group_id)
    mailbox, mail = meet(dist.PrefixStore("qring/", opts.store), names, rank, options, timeout)
    node = Node(mailbox, Carriers(options, names, rank, f"{stream} collectives"))
    post = Post(mail, Carriers(options, names, rank, f"{stream} mail"))
    group = RingProcessGroup(node, post, options, timeout, dist.PrefixStore("qring/", opts.store))
    _attach_gloo(group, opts.store, timeout)
    return group


def _attach_gloo(group: ProcessGroup, store: Store, timeout: timedelta) -> None:
    """Give C++ a backend to ask about: device meshes and functional collectives look for one.

    It connects to nobody until it is used, and is not: every collective is overridden.
    """
    options = ProcessGroupGloo._Options()  # type: ignore[attr-defined]
    options._devices = [ProcessGroupGloo.create_default_device(lazy_init=True)]
    options._timeout = timeout
    gloo = ProcessGroupGloo(dist.PrefixStore("gloo/", store), group.rank(), group.size(), options)
    kind = ProcessGroup.BackendType.CUSTOM
    for device in ("cpu", *(("cuda",) if torch.cuda.is_available() else ())):
        group._register_backend(torch.device(device), kind, gloo)
    group._set_default_backend(kind)


def _default_group() -> RingProcessGroup | None:
    found = dist.group.WORLD if dist.is_initialized() else None
    return found if isinstance(found, RingProcessGroup) else None

"""Registering the backend, and making a group when PyTorch asks for one."""

from __future__ import annotations

import functools
import os
import sys
import warnings
import weakref
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import ProcessGroup, ProcessGroupGloo, Store

from qring.errors import InputError
from qring.schedule.topology import Topology
from qring.torch.engine.carriers import Carriers
from qring.torch.engine.node import Node
from qring.torch.engine.plans import lay_out
from qring.torch.options import Options
from qring.torch.surface.group import NAME, RingProcessGroup
from qring.torch.surface.messages import Messages
from qring.torch.transport.rendezvous import join

__all__ = ["create", "create_group", "register"]


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
    timeout = opts.timeout
    if parent is not None and not _was_given(timeout):
        timeout = parent.timeout
    return _make(
        opts.store,
        opts.group_rank,
        list(opts.global_ranks_in_group) or list(range(opts.group_size)),
        pg_options or (parent.options if parent else Options.from_environment()),
        timeout,
        name=str(opts.group_id),
        warns=parent is None,
    )


def create_group(
    store: Store,
    rank: int,
    size: int,
    timeout: timedelta = dist.default_pg_timeout,
    options: Options | None = None,
) -> RingProcessGroup:
    """Make a group of ``size`` ranks that meet through ``store``, without ``torch.distributed``.

    For libraries that make and replace process groups themselves. Every rank calls it with its own
    ``rank`` and the same of everything else; without ``options`` the environment's count. Two
    groups over one store need different prefixes (:class:`torch.distributed.PrefixStore`).
    ``group.shutdown()`` ends it, ``group.abort()`` ends what is under way as well.

    Raises:
        InputError: the rank is none of the group's, or the options cannot be used.
        PeerError: another rank did not come within ``timeout``, or the store is gone.
    """
    if not 0 <= rank < size:
        raise InputError(f"rank {rank} is not one of the ranks 0..{size - 1} of a group of {size}")
    options = options or Options.from_environment()
    return _make(store, rank, range(size), options, timeout, name="group", warns=True)


def _make(
    store: Store,
    rank: int,
    names: Sequence[int],
    options: Options,
    timeout: timedelta,
    *,
    name: str,
    warns: bool,
) -> RingProcessGroup:
    if not isinstance(options, Options):
        raise InputError(f"pg_options is a qring.torch.Options, not {type(options).__name__}")
    if options.is_noisy and options.coding is None and warns:
        warnings.warn(
            f"{options.noise} without error correction: floating-point payloads arrive with "
            "flipped bits",
            stacklevel=3,
        )
    ours = dist.PrefixStore("qring/", store)
    transport, p2p = join(ours, names, rank, options, timeout)
    try:
        laid = lay_out(Topology(options.topology), names, transport.hosts, whole=warns)
    except InputError:
        p2p.close()
        transport.close()
        raise
    node = Node(transport, Carriers(options, laid, names, rank, f"{name} collectives"), laid)
    messages = Messages(p2p, Carriers(options, laid, names, rank, f"{name} mail"))
    group = RingProcessGroup(node, messages, options, timeout, ours)
    _attach_gloo(group, store)
    return group


def _was_given(timeout: timedelta) -> bool:
    """Whether a caller of PyTorch chose this timeout, rather than PyTorch its own default.

    Both may be half an hour; only PyTorch's own frame still knows which object it was.
    """
    if timeout != dist.default_pg_timeout:
        return True
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != "_new_process_group_helper":
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and frame.f_locals.get("timeout") is not dist.default_pg_timeout


class _AttachedGloo(ProcessGroupGloo):
    """The backend that C++ asks about. It hands a changed timeout on to the group."""

    group: weakref.ref[RingProcessGroup]

    def _set_default_timeout(self, timeout: timedelta) -> None:
        group = self.group()
        if group is not None:
            group.set_timeout(timeout)


def _attach_gloo(group: RingProcessGroup, store: Store) -> None:
    """Give C++ a backend to ask about: device meshes and functional collectives look for one.

    It connects to nobody until it is used, and is not: every collective is overridden.
    """
    options = ProcessGroupGloo._Options()  # type: ignore[attr-defined]
    options._devices = [_gloo_device(os.getpid())]
    options._threads = 1
    options._timeout = group.timeout
    gloo = _AttachedGloo(dist.PrefixStore("gloo/", store), group.rank(), group.size(), options)
    gloo.group = weakref.ref(group)
    group.attached = gloo  # or Python would forget what its class has overridden
    kind = ProcessGroup.BackendType.CUSTOM
    for device in ("cpu", *(("cuda",) if torch.cuda.is_available() else ())):
        group._register_backend(torch.device(device), kind, gloo)
    group._set_default_backend(kind)


@functools.cache
def _gloo_device(_pid: int) -> Any:
    """One device for all groups of a process: each has a thread and several descriptors."""
    return ProcessGroupGloo.create_default_device(lazy_init=True)


def _default_group() -> RingProcessGroup | None:
    found = dist.group.WORLD if dist.is_initialized() else None
    return found if isinstance(found, RingProcessGroup) else None

"""The ledger of a process group."""

from __future__ import annotations

import json
from datetime import timedelta

import torch.distributed as dist
from torch.distributed import ProcessGroup

from qring.errors import InputError
from qring.ledger import Ledger
from qring.torch.surface.group import NAME, RingProcessGroup

__all__ = ["gather_ledger", "ledger", "monitored_barrier", "reset_ledger"]


def ledger(group: ProcessGroup | None = None) -> Ledger:
    """Carriers that this rank has sent in ``group`` (default: the default group), by global ranks.

    Raises:
        InputError: the group is not one of this backend's.
    """
    return _ours(group).ledger()


def reset_ledger(group: ProcessGroup | None = None) -> None:
    """Start this rank's account in ``group`` anew.

    Raises:
        InputError: the group is not one of this backend's.
    """
    _ours(group).reset_ledger()


def gather_ledger(group: ProcessGroup | None = None) -> Ledger:
    """Carriers that all ranks of ``group`` have sent.

    A collective: every rank calls it, and all get the result.

    The ledgers themselves travel uncharged.

    Raises:
        InputError: the group is not one of this backend's.
        PeerError: another rank died, was silent for too long or is elsewhere.
    """
    ours = _ours(group)
    mine = ours.ledger()
    text = json.dumps({"rounds": mine.rounds, "rows": mine.rows()})
    found = [json.loads(part) for part in ours.gather_bytes(text.encode())]
    return Ledger.side_by_side(Ledger.from_rows(f["rows"], f["rounds"]) for f in found)


def monitored_barrier(
    group: ProcessGroup | None = None,
    timeout: timedelta | None = None,
    wait_all_ranks: bool = False,
) -> None:
    """A barrier that names the rank (or, with ``wait_all_ranks``, all ranks) that did not come.

    ``torch.distributed.monitored_barrier`` takes Gloo groups only; this is the same for ours.

    Raises:
        InputError: the group is not one of this backend's.
        PeerError: a rank did not come within ``timeout`` (default: the group's).
    """
    _ours(group).monitored_barrier(timeout, wait_all_ranks)


def _ours(group: ProcessGroup | None) -> RingProcessGroup:
    found = dist.group.WORLD if group is None else group
    if not isinstance(found, RingProcessGroup):
        what = "there is no process group" if found is None else "the group is another backend's"
        raise InputError(f"{what}; start one with init_process_group({NAME!r})")
    return found

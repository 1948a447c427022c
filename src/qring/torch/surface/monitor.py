"""A barrier through the store that names the ranks which did not reach it."""

from __future__ import annotations

import json
import time
from datetime import timedelta

from torch.distributed import Store

from qring.errors import PeerError
from qring.torch.engine.node import Node

__all__ = ["monitored_barrier"]

_NAP_S = 0.005


def monitored_barrier(
    store: Store, node: Node, turn: int, timeout: timedelta, wait_all_ranks: bool
) -> None:
    """Wait for all ranks, through the store.

    Rank 0 waits for everybody and tells the others how that ended, so all name the same ranks.
    With ``wait_all_ranks`` it names all that are missing, otherwise the first.

    Raises:
        PeerError: a rank did not come within ``timeout``.
    """
    key = f"monitored/{turn}"
    limit_s = timeout.total_seconds()
    deadline = time.monotonic() + limit_s
    if node.rank:
        store.set(f"{key}/{node.rank}", "")
        # Rank 0 speaks when its own time is up, which may have begun later than ours.
        if not _appears(store, f"{key}/verdict", deadline + limit_s):
            raise PeerError(
                f"rank {node.names[0]} let the timeout of {limit_s:.3g} s pass during {_NAME}"
            )
        missing = json.loads(store.get(f"{key}/verdict"))
    else:
        missing = []
        for rank in range(1, node.size):
            if not _appears(store, f"{key}/{rank}", deadline):
                missing.append(node.names[rank])
                if not wait_all_ranks:
                    break
        store.set(f"{key}/verdict", json.dumps(missing))
    if missing:
        ranks = f"rank {missing[0]}" if len(missing) == 1 else f"ranks {missing}"
        raise PeerError(f"{ranks} let the timeout of {limit_s:.3g} s pass during {_NAME}")


_NAME = "monitored_barrier"


def _appears(store: Store, key: str, deadline: float) -> bool:
    while not store.check([key]):
        if time.monotonic() > deadline:
            return False
        time.sleep(_NAP_S)
    return True

"""A rank's membership in a group: submission, account, timeout and shutdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import torch
from torch.distributed import ProcessGroup, Store

from qring.errors import InputError
from qring.ledger import Ledger
from qring.torch.engine import ring
from qring.torch.engine.node import Call, Node
from qring.torch.options import Options
from qring.torch.surface.messages import Messages
from qring.torch.surface.monitor import monitored_barrier
from qring.torch.surface.observers import tell_observers
from qring.torch.surface.untraced import untraced
from qring.torch.surface.work import RingWork
from qring.torch.surface.worker import Worker, named_range

__all__ = ["NAME", "Member"]

NAME = "qring"


@untraced
class Member(ProcessGroup):
    """A process group without collectives: a rank, its account, and its worker."""

    def __init__(
        self, node: Node, messages: Messages, options: Options, timeout: timedelta, store: Store
    ) -> None:
        super().__init__(node.rank, node.size)  # type: ignore[call-arg]
        self.options, self.timeout = options, timeout
        self._node, self._messages, self._store = node, messages, store
        self._worker = Worker(NAME, node.interrupt)
        self._coalescing: list[RingWork] | None = None
        self._monitored = 0
        self._left = False
        self.attached: object = None
        ring.barrier(node, self._call("join", charged=False))

    # Attributes that PyTorch reads

    def getBackendName(self) -> str:  # noqa: N802
        """The name under which the backend is registered."""
        return NAME

    name = getBackendName

    def set_timeout(self, timeout: timedelta) -> None:
        """Change the time that later collectives may take."""
        self.timeout = timeout

    def _get_sequence_number_for_group(self) -> int:
        return self._node.sequence

    def _set_sequence_number_for_group(self) -> None:
        pass

    def shutdown(self) -> None:
        """Finish what is queued and leave the group; doing it again changes nothing.

        What is not done within the group's timeout fails.
        """
        if self._left:
            return
        self._left = True
        self._worker.stop(self.timeout.total_seconds())
        self._messages.close()
        self._node.close()

    def abort(self) -> None:
        """Make whatever is under way fail, here and elsewhere, and leave the group."""
        self._node.interrupt()
        self.shutdown()

    def monitored_barrier(
        self, timeout: timedelta | None = None, wait_all_ranks: bool = False
    ) -> None:
        """A barrier that names the ranks that did not come."""
        self._monitored += 1
        limit = timeout or self.timeout
        monitored_barrier(self._store, self._node, self._monitored, limit, wait_all_ranks)

    # Several calls as one

    def _start_coalescing(self, device: torch.device) -> None:
        if self._coalescing is not None:
            raise InputError("calls are being coalesced already; end that first")
        self._coalescing = []

    def _end_coalescing(self, device: torch.device) -> RingWork:
        if self._coalescing is None:
            raise InputError("no calls are being coalesced")
        works, self._coalescing = self._coalescing, None
        return RingWork.of_all("coalesced", works, [t for w in works for t in w.result()])

    # The account

    def ledger(self) -> Ledger:
        """Ledger of this rank's messages."""
        return self._node.carriers.ledger() + self._messages.carriers.ledger()

    def reset_ledger(self) -> None:
        """Start a new account, once everything submitted so far is done."""

        def job() -> None:
            self._node.carriers.reset()
            self._messages.reset()

        self._submit("reset_ledger", job, []).wait()

    def gather_bytes(self, mine: bytes) -> list[bytes]:
        """Everybody's ``mine``, by rank, off the account."""
        found: list[bytes] = []

        def job() -> None:
            found.extend(ring.gather_bytes(self._node, mine, self.timeout.total_seconds()))

        self._submit("gather_ledger", job, []).wait()
        return found

    # Submission

    def _submit(
        self, name: str, job: Callable[[], None], result: Sequence[Any], opts: Any = None
    ) -> RingWork:
        waits = opts is not None and not getattr(opts, "asyncOp", True)
        tell_observers(name)
        # The worker's own range is seen only by profilers that look at all threads.
        with named_range(name, result):
            return self._noted(self._worker.submit(name, job, result, waits=waits))

    def _noted(self, work: RingWork) -> RingWork:
        if self._coalescing is not None:
            self._coalescing.append(work)
        return work

    def _limit_s(self, opts: Any, timeout: timedelta | None = None) -> float:
        asked: timedelta = timeout or getattr(opts, "timeout", None) or timedelta(0)
        return (asked if asked > timedelta(0) else self.timeout).total_seconds()

    def _call(
        self,
        kind: str,
        opts: Any = None,
        timeout: timedelta | None = None,
        flat: torch.Tensor | None = None,
        reduction: int = 0,
        root: int = -1,
        charged: bool = True,
    ) -> Call:
        return Call(
            kind=kind,
            dtype=torch.uint8 if flat is None else flat.dtype,
            nbytes=0 if flat is None else flat.numel() * flat.itemsize,
            reduction=reduction,
            root=root,
            timeout_s=self._limit_s(opts, timeout),
            charged=charged,
        )

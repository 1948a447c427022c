"""Point-to-point messages of tensors: staged, charged, and with a handle each."""

from __future__ import annotations

import threading

import torch

from qring.torch.engine.carriers import Carriers
from qring.torch.surface.staging import Staged
from qring.torch.surface.work import RingWork
from qring.torch.transport.point_to_point import PointToPoint, PostedReceive

__all__ = ["Messages"]


class Messages:
    """Sends and receives of one rank in one group."""

    __slots__ = ("_lock", "_p2p", "carriers")

    def __init__(self, p2p: PointToPoint, carriers: Carriers) -> None:
        self._p2p, self.carriers = p2p, carriers
        self._lock = threading.RLock()

    def send(self, tensor: torch.Tensor, dst: int, tag: int, timeout_s: float) -> RingWork:
        """Send a tensor."""
        work = RingWork("send", [tensor])
        flat = Staged(tensor).fetch()
        exact = not flat.dtype.is_floating_point
        with self._lock:
            flat = self.carriers.carry_values(dst, flat, exact)
            self.carriers.rounds(1)

        def done(error: BaseException | None, _: int) -> None:
            work.finish(error)

        self._p2p.send(dst, tag, flat.view(torch.uint8).numpy(), timeout_s, done)
        return work

    def receive(
        self, tensor: torch.Tensor, src: int | None, tag: int, timeout_s: float
    ) -> RingWork:
        """Receive a tensor from ``src``, or from any rank if that is None."""
        work = RingWork("receive", [tensor])
        staged = Staged(tensor)

        def done(error: BaseException | None, found: int) -> None:
            if error is None:
                with torch.inference_mode():
                    staged.deliver()
                work.came_from(found)
            work.finish(error)

        array = staged.flat.view(torch.uint8).numpy()
        self._p2p.receive(
            PostedReceive(src=src, tag=tag, array=array, timeout_s=timeout_s, done=done)
        )
        return work

    def reset(self) -> None:
        """Start a new account."""
        with self._lock:
            self.carriers.reset()

    def close(self) -> None:
        """Send what is queued and close the transport."""
        self._p2p.close()

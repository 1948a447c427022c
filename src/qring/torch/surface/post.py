"""Point-to-point messages as PyTorch asks for them: charged, staged, and with a handle each."""

from __future__ import annotations

import threading

import torch

from qring.torch.engine.carriers import Carriers
from qring.torch.surface.staging import Staged
from qring.torch.surface.work import RingWork
from qring.torch.transport.mail import Mail, Receipt

__all__ = ["Post"]


class Post:
    """Sends and receives of one rank in one group."""

    __slots__ = ("_lock", "_mail", "carriers")

    def __init__(self, mail: Mail, carriers: Carriers) -> None:
        self._mail, self.carriers = mail, carriers
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

        self._mail.send(dst, tag, flat.view(torch.uint8).numpy(), timeout_s, done)
        return work

    def receive(
        self, tensor: torch.Tensor, src: int | None, tag: int, timeout_s: float
    ) -> RingWork:
        """Receive a tensor from ``src``, or from whoever sends one first."""
        work = RingWork("receive", [tensor])
        staged = Staged(tensor)

        def done(error: BaseException | None, found: int) -> None:
            if error is None:
                with torch.inference_mode():
                    staged.deliver()
                work.came_from(found)
            work.finish(error)

        array = staged.flat.view(torch.uint8).numpy()
        self._mail.receive(Receipt(src=src, tag=tag, array=array, timeout_s=timeout_s, done=done))
        return work

    def reset(self) -> None:
        """Start a new account."""
        with self._lock:
            self.carriers.reset()

    def close(self) -> None:
        """Send what is queued and leave."""
        self._mail.close()

"""Staging: flat, contiguous host tensors for tensors of any layout or device."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["Staged", "stage"]


class Staged:
    """A flat, contiguous host tensor that stands for a user's tensor.

    Where the user's tensor is already that, both share memory. Otherwise :meth:`fetch` copies
    from it and :meth:`deliver` copies back; tensors on an accelerator pass through pinned memory.
    """

    __slots__ = ("_original", "_ready", "_shared", "flat")

    _ready: torch.cuda.Event | None

    def __init__(self, original: torch.Tensor) -> None:
        # .data shares no version counter: autograd must not count what a collective writes.
        data = torch.view_as_real(original.data) if original.is_complex() else original.data
        self._original, self._ready = data, None
        self._shared = data.is_cpu and data.is_contiguous()
        if self._shared:
            self.flat = data.view(-1)
            return
        self.flat = torch.empty(data.numel(), dtype=data.dtype, pin_memory=data.is_cuda)
        if data.is_cuda:
            self._ready = torch.cuda.current_stream(data.device).record_event()

    def fetch(self) -> torch.Tensor:
        """The flat tensor, with the user's values in it."""
        if self._ready is not None:
            self._ready.synchronize()  # the worker's stream is not the caller's
        if not self._shared:
            self.flat.view(self._original.shape).copy_(self._original)
        return self.flat

    def deliver(self) -> None:
        """Copy the flat tensor's values into the user's tensor."""
        if not self._shared:
            self._original.copy_(self.flat.view(self._original.shape))
            if self._ready is not None:
                torch.cuda.current_stream(self._original.device).synchronize()


def stage(tensors: Sequence[torch.Tensor]) -> list[Staged]:
    """Stand-ins for several tensors."""
    return [Staged(tensor) for tensor in tensors]

"""Keeping torch.compile out of the backend's own code: its graph breaks at the call instead."""

from __future__ import annotations

from types import FunctionType
from typing import TypeVar

from torch._C._dynamo import eval_frame

__all__ = ["untraced"]

_Class = TypeVar("_Class", bound=type)


def untraced(cls: _Class) -> _Class:
    """A class decorator: neither the methods nor what they call is traced or compiled.

    ``torch.compiler.disable`` does the same, but imports the compiler, which takes seconds.
    """
    skip = eval_frame._FrameExecStrategy(eval_frame._FrameAction.SKIP, eval_frame._FrameAction.SKIP)
    for method in vars(cls).values():
        if isinstance(method, FunctionType):
            eval_frame.set_code_exec_strategy(method.__code__, skip)
            method._torchdynamo_disable = True  # type: ignore[attr-defined]
    return cls

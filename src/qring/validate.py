"""Checks that values make of their fields at birth, and verbs of their arguments.

Each takes the argument's name first and raises :class:`~qring.errors.InputError` with what was
found, what is allowed and what to write instead. Types are checked, never converted: a string in
place of an enum is refused, since a comparison by identity would take it for another member.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from numbers import Integral, Real

import numpy as np

from qring.errors import InputError

__all__ = [
    "check_able",
    "check_among",
    "check_enum",
    "check_flag",
    "check_instance",
    "check_probability",
    "check_real",
    "check_rng",
    "check_whole",
]


def check_enum(name: str, value: object, kind: type[Enum]) -> None:
    """Refuse anything but a member of ``kind``; a string that names one is told which."""
    if isinstance(value, kind):
        return
    members = list(kind)
    if isinstance(value, str):
        wanted = value.lower().replace("_", "-")
        meant = [
            one
            for one in members
            if wanted in (str(one.value).lower(), one.name.lower().replace("_", "-"))
        ]
        members = meant or members
    allowed = " or ".join(f"{kind.__name__}.{one.name}" for one in members)
    raise InputError(f"{name} got {value!r}; use {allowed}")


def check_among(name: str, value: object, allowed: Sequence[str]) -> None:
    """Refuse anything but one of these strings."""
    if not isinstance(value, str) or value not in allowed:
        raise InputError(f"{name} got {value!r}; use {' or '.join(map(repr, allowed))}")


def check_instance(name: str, value: object, kind: type | tuple[type, ...], use: str) -> None:
    """Refuse anything but an instance of ``kind``; ``use`` says what to write."""
    if not isinstance(value, kind):
        raise InputError(f"{name} got {value!r}; use {use}")


def check_able(name: str, value: object, verbs: Sequence[str], use: str) -> None:
    """Refuse a value that lacks one of ``verbs``, the attributes its users call; classes too."""
    if isinstance(value, type) or not all(hasattr(value, verb) for verb in verbs):
        raise InputError(f"{name} got {value!r}; use {use}")


def check_flag(name: str, value: object) -> None:
    """Refuse anything but True and False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} got {value!r}; use True or False")


def check_whole(
    name: str, value: object, *, least: int | None = None, most: int | None = None
) -> None:
    """Refuse anything but an integer from ``least`` to ``most``, both included."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole:
        raise InputError(f"{name} got {value!r}; use a whole number{_range(least, most)}")
    number = int(value)  # type: ignore[call-overload]
    if (least is not None and number < least) or (most is not None and number > most):
        raise InputError(f"{name} must be a whole number{_range(least, most)}, not {number}")


def check_real(
    name: str,
    value: object,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    below: float = math.inf,
) -> None:
    """Refuse anything but a finite number in this range; NaN is in none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} got {value!r}; use a number")
    number = float(value)
    if math.isfinite(number) and least <= number <= most and above < number < below:
        return
    raise InputError(f"{name} must be {_interval(least, above, most, below)}, not {number}")


def check_probability(name: str, value: object, *, zero: bool = True, one: bool = True) -> None:
    """Refuse anything but a number in [0, 1]; without ``zero`` or ``one`` the end is left out."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} got {value!r}; use a number")
    number = float(value)
    inside = 0 <= number <= 1 and (zero or number > 0) and (one or number < 1)
    if not inside:
        ends = f"{'[' if zero else '('}0, 1{']' if one else ')'}"
        raise InputError(f"{name} lies in {ends}, not at {number}")


def check_rng(rng: object, name: str = "rng") -> None:
    """Refuse anything but a generator of NumPy; seeds are turned into one by the caller."""
    if not isinstance(rng, np.random.Generator):
        seed = rng if isinstance(rng, int) and not isinstance(rng, bool) else "seed"
        raise InputError(f"{name} got {rng!r}; use numpy.random.default_rng({seed})")


def _range(least: int | None, most: int | None) -> str:
    if least is not None and most is not None:
        return f" in {least}..{most}"
    if least is not None:
        return f" from {least} up"
    return f" up to {most}" if most is not None else ""


def _interval(least: float, above: float, most: float, below: float) -> str:
    if above == 0 and most == below == math.inf:
        return "positive and finite"
    parts = [
        f"at least {least:g}" if least > -math.inf else "",
        f"above {above:g}" if above > -math.inf else "",
        f"at most {most:g}" if most < math.inf else "",
        f"below {below:g}" if below < math.inf else "",
    ]
    return " and ".join(part for part in parts if part) or "finite"

"""Options that a choice uses: one that is given and not used is refused by name.

A parser that :func:`record_given` prepared notes every option that stands on the command line, so
that a default is told from the same value given. A choice (a protocol, an attack) lists what it
uses as :class:`Uses`; :func:`refuse_unused` compares the two.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from qring.errors import InputError
from qring.protocols.uses import Uses

__all__ = ["given", "record_given", "refuse_unmet", "refuse_unused"]

_GIVEN = "given"


def record_given(parser: argparse.ArgumentParser) -> None:
    """Have ``parser`` note every option that is given, in the namespace's ``given``."""
    for name in (None, "store", "store_true", "append"):
        parser.register("action", name, _recording(parser._registry_get("action", name)))


def given(arguments: argparse.Namespace) -> frozenset[str]:
    """Options that stood on the command line, as they are spelled in full."""
    found: frozenset[str] = getattr(arguments, _GIVEN, frozenset())
    return found


def refuse_unused(
    arguments: argparse.Namespace, chosen: str, table: Mapping[str, Sequence[Uses]]
) -> None:
    """Refuse options that other choices of ``table`` use and the ``chosen`` one does not.

    Raises:
        InputError: with the option, and the choices or values that use it.
    """
    for option in sorted(given(arguments)):
        users = [name for name, uses in table.items() if any(option in u.options for u in uses)]
        if not users:
            continue
        if chosen not in users:
            verb = "uses" if len(users) == 1 else "use"
            raise InputError(f"{option} is not used by {chosen}; {_list(users)} {verb} it")
    refuse_unmet(arguments, table[chosen], f" by {chosen}")


def refuse_unmet(arguments: argparse.Namespace, uses: Sequence[Uses], who: str = "") -> None:
    """Refuse options whose condition does not hold.

    Raises:
        InputError: with the option and the condition.
    """
    for option in sorted(given(arguments)):
        reasons = [use.unmet(arguments) for use in uses if option in use.options]
        if reasons and all(reasons):
            raise InputError(f"{option} {reasons[0].replace(' used ', f' used{who} ', 1)}")


def _recording(action: type[argparse.Action]) -> type[argparse.Action]:
    class Recording(action):  # type: ignore[valid-type, misc]
        def __call__(
            self,
            parser: argparse.ArgumentParser,
            namespace: argparse.Namespace,
            values: Any,  # noqa: ANN401 - as argparse has it
            option_string: str | None = None,
        ) -> None:
            super().__call__(parser, namespace, values, option_string)
            if option_string is not None:
                setattr(namespace, _GIVEN, given(namespace) | {self.option_strings[-1]})

    return Recording


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

"""Registries: what exists by name, one dictionary a kind, to which users can add.

Built-in entries are values, or places ``module:attribute`` that are imported when first asked for.
Packages add entries by entry points of the registry's group; programs by :meth:`Registry.add`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from qring.errors import InputError

__all__ = ["PROTOCOLS", "Registry"]

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries of one ``kind`` by name, in the order in which they were added."""

    def __init__(self, kind: str, group: str, built_in: Mapping[str, str | Entry]) -> None:
        self.kind, self.group = kind, group
        self._entries: dict[str, str | Entry] = dict(built_in)
        self._searched = False

    def __getitem__(self, name: str) -> Entry:
        """The entry of this name.

        Raises:
            InputError: there is none; the message lists those that there are.
        """
        self._search()
        if not isinstance(name, str) or name not in self._entries:
            raise InputError(
                f"there is no {self.kind} {name!r}; choose one of {', '.join(self._entries)}"
            )
        found: Any = self._entries[name]
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            found = self._entries[name] = getattr(import_module(module), attribute)
        entry: Entry = found
        return entry

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as in Mapping
        """The entry of this name, or ``default``."""
        return self[name] if name in self else default  # noqa: SIM401 - this is what get does

    def __contains__(self, name: object) -> bool:
        self._search()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._search()
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        self._search()
        return len(self._entries)

    def add(self, name: str, entry: Entry) -> None:
        """Add an entry for this process.

        Raises:
            InputError: the name is taken.
        """
        if name in self:
            raise InputError(f"there is a {self.kind} {name!r} already; choose another name")
        self._entries[name] = entry

    def remove(self, name: str) -> None:
        """Take an entry out again.

        Raises:
            InputError: there is none.
        """
        self[name]
        del self._entries[name]

    def _search(self) -> None:
        """Find entry points, once; a name that is taken stays what it is."""
        if self._searched:
            return
        self._searched = True
        for point in entry_points(group=self.group):
            self._entries.setdefault(point.name, point.value)


PROTOCOLS: Registry[Any] = Registry(
    "protocol",
    "qring.protocols",
    {
        "superdense": "qring.protocols.ring:SUPERDENSE",
        "classical": "qring.protocols.ring:CLASSICAL",
        "ghz": "qring.protocols.ghz:ENTRY",
        "vga": "qring.protocols.vga:ENTRY",
        "private": "qring.protocols.private:ENTRY",
        "secagg": "qring.protocols.secagg:ENTRY",
    },
)
"""Protocols that sum gradients; entries are :class:`qring.protocols.entry.Entry`."""

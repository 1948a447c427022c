"""The page that a run leaves behind: the ring, round by round, and what the whole run counted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qring.atomic import check_writable, write_text
from qring.cli.show import carriers, count
from qring.errors import InputError
from qring.ledger import Ledger, Phase
from qring.paper.report import run_page
from qring.paper.trace import Trace
from qring.registry import PROTOCOLS

__all__ = ["check_page", "write_page"]


def check_page(path: Path, protocol: str) -> None:
    """Refuse a page that cannot be written, before anything runs.

    Raises:
        InputError: another protocol than the rings, or a place where no file can be made.
    """
    if not PROTOCOLS[protocol].backend:
        raise InputError(
            f"the page shows messages around the ring; {protocol} announces outcomes instead: "
            "leave --page away, or use superdense or classical"
        )
    check_writable(path)


def write_page(
    path: Path,
    trace: Trace,
    *,
    title: str,
    facts: Mapping[str, str],
    ledger: Ledger,
    quantum: bool,
) -> None:
    """Write the page of a run; ``ledger`` is that of the whole run.

    Raises:
        InputError: the file cannot be written.
    """
    whole = {
        **facts,
        "online, all links": carriers(ledger, Phase.ONLINE),
        "setup, all links": carriers(ledger, Phase.SETUP),
        "pairs consumed": f"{count(ledger.totals.ebits)} ebits",
        "rounds": count(ledger.rounds),
    }
    write_text(path, run_page(trace, title=title, facts=whole, quantum=quantum))

"""Parse the command line, run one command, and turn errors into one line and an exit status.

Exit status: 0 done, 1 the protocol aborted, 2 bad input, 3 the run failed (a rank died),
130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from qring import __version__
from qring.cli import (
    allreduce,
    atlas,
    attack,
    bills,
    certify,
    circuit,
    device,
    dp,
    experiment,
    gapip,
    masks,
    protocols,
    reproduce,
    schedule,
    subspace,
    tieaudit,
    train,
)
from qring.cli.ends import ended_well
from qring.cli.options import record_given

__all__ = ["command_line", "main"]

_ABOUT = """\
Quantum ring all-reduce on a simulated network, with exact accounts of qubits, ebits and bits.
A simulation protects nobody's data and speeds nothing up: it shows what a quantum network
would do, cost and leak."""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and that tells what was given from defaults."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as argparse has it
        super().__init__(**settings)
        record_given(self)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"qring: {message} (see: {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    return ended_well(lambda: _run(argv))


def command_line() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="qring", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"qring {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (
        allreduce,
        attack,
        train,
        schedule,
        bills,
        dp,
        certify,
        masks,
        gapip,
        tieaudit,
        subspace,
        atlas,
        experiment,
        circuit,
        device,
        protocols,
        reproduce,
    ):
        command.add_to(commands)
    return parser


def _run(argv: Sequence[str] | None) -> int:
    arguments = command_line().parse_args(argv)
    status: int = arguments.run(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())

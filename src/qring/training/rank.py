"""The script every rank runs: ``torchrun --nproc-per-node 4 -m qring.training.rank --out runs/x``.

``qring train`` launches the same script. Rank 0 leaves ``result.json``, ``ledger.json`` and
``metrics.jsonl`` in the folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qring.atomic import write_text
from qring.errors import InputError, MissingExtraError, PeerError
from qring.jsontext import to_json
from qring.training.folder import claim
from qring.training.leash import follow_parent
from qring.training.settings import TrainSettings, add_arguments

if TYPE_CHECKING:
    from qring.training.run import Trained

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run as one rank; return the exit status."""
    follow_parent()
    parser = argparse.ArgumentParser(prog="qring.training.rank", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--compare", action="store_true", help="then train over the classical ring")
    parser.add_argument("--claimed", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    try:
        _run(arguments)
    except (InputError, MissingExtraError) as error:
        print(f"qring: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("qring: interrupted", file=sys.stderr)
        return 130
    except RuntimeError as error:
        # Inside backward() a PeerError comes back as a RuntimeError that quotes it.
        _, found, quoted = str(error).partition(f"{PeerError.__name__}: ")
        if not (found or isinstance(error, PeerError)):
            raise
        print(f"qring: {(quoted or str(error)).splitlines()[0]}", file=sys.stderr)
        return 3
    return 0


def _terminated(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _run(arguments: argparse.Namespace) -> None:
    settings, out = TrainSettings.from_arguments(arguments), arguments.out
    if "RANK" not in os.environ:
        raise InputError("this script is started by torchrun or by `qring train`")
    rank = int(os.environ["RANK"])
    if settings.masks:
        signal.signal(signal.SIGTERM, _terminated)  # lets masks under way be removed
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    import torch

    from qring.training.run import train

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // local))
    again = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
    if rank == 0 and not arguments.claimed and not again:
        claim(out)
    runs = [settings]
    if arguments.compare and settings.protocol != "classical":
        runs.append(settings.compared())
    results = {run.protocol: train(run, out) for run in runs}
    if rank == 0:
        _write(out, settings, results)


def _write(out: Path, settings: TrainSettings, results: dict[str, Trained]) -> None:
    summary = {
        "workers": int(os.environ["WORLD_SIZE"]),
        "settings": settings.described(),
        "runs": {name: _without_ledger(result) for name, result in results.items()},
    }
    ledgers = {
        name: {
            "rounds": result.ledger.rounds,
            "totals": result.ledger.totals._asdict(),
            "links": result.ledger.rows(),
        }
        for name, result in results.items()
    }
    write_text(out / "ledger.json", to_json(ledgers, indent=1) + "\n")
    write_text(out / "result.json", to_json(summary, indent=1) + "\n")


def _without_ledger(result: Trained) -> dict[str, Any]:
    fields = dataclasses.fields(result)
    return {field.name: getattr(result, field.name) for field in fields if field.name != "ledger"}


if __name__ == "__main__":
    sys.exit(main())

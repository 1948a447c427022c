"""Run claims shard by shard, anywhere, and keep what is done.

A shard is named by strings and integers only, so any joblib backend can serve it: processes of
this machine, or a Dask or Ray cluster by ``joblib.parallel_config(backend=...)``. Each finished
shard is a small file; a later run with the same seed and the same source picks it up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import qring
from qring.atomic import make_folder, write_text
from qring.errors import InputError, MissingExtraError
from qring.jsontext import to_json
from qring.paper.claim import Claim, Effort, Figure, Sums, generator
from qring.paper.claims import CLAIMS
from qring.paper.curves import CURVES
from qring.paper.curves.curve import Curve, Data, measure

__all__ = [
    "Outcome",
    "Shard",
    "as_json",
    "measure_curve",
    "outcomes",
    "run",
    "run_curves",
    "run_shard",
    "selected",
    "shards_of",
]

Progress = Callable[[int, int], None]


class Shard(NamedTuple):
    """One piece of work: a shard of one figure of one claim."""

    claim: str
    figure: int
    number: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A claim with its measured figures."""

    claim: Claim
    figures: tuple[Figure, ...]

    @property
    def confirmed(self) -> bool:
        """Whether every figure agrees with what the verdict predicts."""
        return all(figure.agrees for figure in self.figures)


def selected(names: Sequence[str]) -> tuple[Claim, ...]:
    """The claims with these ids, in the paper's order; all if none is named.

    Raises:
        InputError: there is no such claim.
    """
    known = {claim.id: claim for claim in CLAIMS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"there is no claim {unknown[0]!r}; claims are {', '.join(known)}")
    return tuple(claim for claim in CLAIMS if not names or claim.id in names)


def shards_of(claims: Iterable[Claim], effort: Effort, seed: int) -> list[Shard]:
    """All work there is."""
    return [
        Shard(claim.id, index, number, seed)
        for claim in claims
        for index, figure in enumerate(claim.figures)
        for number in range(figure.shards(effort))
    ]


def run_shard(shard: Shard) -> tuple[Shard, Sums]:
    """Do one piece of work."""
    claim = next(claim for claim in CLAIMS if claim.id == shard.claim)
    rng = generator(shard.seed, shard.claim, shard.figure, shard.number)
    return shard, claim.figures[shard.figure].run(rng)


def run(
    claims: Sequence[Claim],
    *,
    effort: Effort,
    seed: int,
    folder: Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> tuple[Outcome, ...]:
    """Run what is missing and put the outcomes together.

    Args:
        claims: what to check.
        effort: how much to sample.
        seed: of all randomness.
        folder: where finished shards are kept, if anywhere.
        jobs: processes; None leaves it to joblib's configuration, and so to a cluster.
        progress: called with the shards done and the shards there are.

    Raises:
        MissingExtraError: joblib is not installed.
    """
    try:
        import joblib
    except ImportError:
        raise MissingExtraError("qring reproduce", "reproduce") from None
    wanted = shards_of(claims, effort, seed)
    done = _kept(folder, wanted) if folder else {}
    missing = [shard for shard in wanted if shard not in done]
    tell = progress or _unseen
    tell(len(done), len(wanted))
    work = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    for shard, sums in work(joblib.delayed(run_shard)(shard) for shard in missing):
        done[shard] = sums
        if folder:
            _keep(folder, shard, sums)
        tell(len(done), len(wanted))
    return outcomes(claims, effort, seed, done)


def outcomes(
    claims: Sequence[Claim], effort: Effort, seed: int, done: dict[Shard, Sums]
) -> tuple[Outcome, ...]:
    """Add the shards up and compare the figures."""
    found = []
    for claim in claims:
        figures = []
        for index, figure in enumerate(claim.figures):
            numbers = range(figure.shards(effort))
            parts = (done[Shard(claim.id, index, number, seed)] for number in numbers)
            figures.append(figure.figure(sum(parts, start=Sums(0, 0.0, 0.0))))
        found.append(Outcome(claim=claim, figures=tuple(figures)))
    return tuple(found)


def run_curves(
    *,
    seed: int,
    folder: Path | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> tuple[tuple[Curve, Data], ...]:
    """Measure what the report's curves need, as :func:`run` does.

    Raises:
        MissingExtraError: joblib, or what a readout needs, is not installed.
    """
    try:
        import joblib
    except ImportError:
        raise MissingExtraError("qring reproduce", "reproduce") from None
    done: dict[str, Data] = {}
    for curve in CURVES:
        content = _read(folder / f"curve.{curve.id}.json", seed) if folder else None
        if content is not None:
            done[curve.id] = content["data"]
    tell = progress or _unseen
    tell(len(done), len(CURVES))
    work = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    missing = [curve.id for curve in CURVES if curve.id not in done]
    for name, data in work(joblib.delayed(measure_curve)(name, seed) for name in missing):
        done[name] = data
        if folder:
            _write(folder / f"curve.{name}.json", seed, {"data": data})
        tell(len(done), len(CURVES))
    return tuple((curve, done[curve.id]) for curve in CURVES)


def measure_curve(name: str, seed: int) -> tuple[str, Data]:
    """Measure one curve."""
    return name, measure(next(curve for curve in CURVES if curve.id == name), seed)


def as_json(found: Sequence[Outcome], *, effort: Effort, seed: int) -> dict[str, Any]:
    """The content of ``claims.json``."""
    return {
        "qring": qring.__version__,
        "effort": effort.value,
        "seed": seed,
        "claims": [
            {
                "id": outcome.claim.id,
                "source": outcome.claim.source,
                "title": outcome.claim.title,
                "says": outcome.claim.says,
                "checked": outcome.claim.checked,
                "standing": outcome.claim.standing.value,
                "verdict": outcome.claim.verdict.value,
                "corrected": outcome.claim.corrected,
                "open": outcome.claim.open_,
                "see": outcome.claim.see,
                "confirmed": outcome.confirmed,
                "figures": [asdict(figure) for figure in outcome.figures],
            }
            for outcome in found
        ],
    }


def _unseen(done: int, total: int) -> None:
    """Show no progress."""


@cache
def _stamp() -> str:
    """A hash of the whole package: no result outlives the code that computed it."""
    digest = hashlib.sha256()
    root = Path(qring.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _place(folder: Path, shard: Shard) -> Path:
    return folder / f"{shard.claim}.{shard.figure}.{shard.number}.json"


def _keep(folder: Path, shard: Shard, sums: Sums) -> None:
    _write(_place(folder, shard), shard.seed, {"sums": list(sums)})


def _write(target: Path, seed: int, content: dict[str, Any]) -> None:
    make_folder(target.parent)
    write_text(target, to_json({"stamp": _stamp(), "seed": seed, **content}))


def _read(path: Path, seed: int) -> dict[str, Any] | None:
    """Results kept by this version for this seed; a file that cannot be read counts as none."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        fits = content["stamp"] == _stamp() and content["seed"] == seed
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if fits else None


def _kept(folder: Path, wanted: Iterable[Shard]) -> dict[Shard, Sums]:
    """Shards of an earlier run."""
    found = {}
    for shard in wanted:
        content = _read(_place(folder, shard), shard.seed)
        if content is not None:
            trials, total, squares = content["sums"]
            found[shard] = Sums(int(trials), float(total), float(squares))
    return found

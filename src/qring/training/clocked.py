"""Training over hardware: what its steps take on the virtual clock, and how good its pairs are."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qring.atomic import write_text
from qring.collectives.rehearse import grain_for, rehearse
from qring.data import images
from qring.errors import InputError, MissingExtraError
from qring.jsontext import to_json
from qring.network.coded.coding import Coding
from qring.network.hardware.supply import Hardware
from qring.network.inventory.arrivals import Spacing
from qring.network.noise import BellDiagonal
from qring.network.timeline import Timeline
from qring.schedule.topology import Topology
from qring.training.plots import draw_inventory
from qring.training.settings import ModelKind

__all__ = ["Clocked", "clocked_by"]

_STEPS_TO_SETTLE = 4
_TIMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocked:
    """One training run on hardware: every step computes for ``compute_s``, then sums ``coords``.

    Births are regular, and pairs are followed in grains, some thousands to a message.
    """

    hardware: Hardware
    workers: int
    coords: int
    compute_s: float
    measured: bool
    quantum: bool
    coding: Coding | None
    topology: Topology
    seed: int

    def __str__(self) -> str:
        how = "measured here" if self.measured else "given"
        return (
            f"hardware {self.hardware.profile.name}: {self.hardware.profile.title}; "
            f"a step computes for {self.compute_s:.3g} s ({how})"
        )

    @property
    def law(self) -> BellDiagonal:
        """Werner law of the mean fidelity at which pairs are used, once steps have settled."""
        if not self.quantum or self.hardware.keeps_perfect_pairs:
            return BellDiagonal()
        timeline = self.timeline(_STEPS_TO_SETTLE)
        if not timeline.counts.used:
            return self.hardware.profile.noise
        return BellDiagonal.werner(round(timeline.mean_fidelity, 6))

    def timeline(self, steps: int, *, quantum: bool | None = None) -> Timeline:
        """Timeline of ``steps`` steps, over classical links if ``quantum`` is False."""
        carried = self.quantum if quantum is None else quantum
        return rehearse(
            self.hardware, workers=self.workers, coords=self.coords,
            compute_s=[self.compute_s] * steps, rng=np.random.default_rng(self.seed),
            coding=self.coding if carried else None, quantum=carried, topology=self.topology,
        )  # fmt: skip

    def write(self, out: Path, steps: int, *, compare: bool) -> dict[str, Any]:
        """Write ``timeline.json``, ``trace.json`` for Perfetto and, if possible, a picture.

        Returns what ``timeline.json`` holds.
        """
        timeline = self.timeline(steps)
        told = {
            "hardware": self.hardware.profile.name,
            "compute_s": self.compute_s,
            "compute_measured": self.measured,
            "steps": steps,
            "standing": "sampled; regular births, pairs followed in grains of "
            f"{self.hardware.grain:,}",
            **timeline.as_dict(),
        }
        if compare:
            told["classical"] = self.timeline(steps, quantum=False).as_dict()
        write_text(out / "timeline.json", to_json(told, indent=1) + "\n")
        write_text(out / "trace.json", timeline.chrome_trace() + "\n")
        with contextlib.suppress(MissingExtraError):  # a picture beside the figures
            draw_inventory(out / "inventory.svg", timeline)
        return told


def clocked_by(arguments: argparse.Namespace) -> Clocked | None:
    """Read ``--hardware`` and what goes with it; ``None`` without it.

    Raises:
        InputError: unknown hardware, another protocol, or noise given besides.
        MissingExtraError: torch is not installed.
    """
    if arguments.hardware is None:
        return None
    if arguments.protocol not in ("superdense", "classical"):
        raise InputError(
            f"--hardware times superdense and classical sums, not those of {arguments.protocol}"
        )
    if BellDiagonal.parse(arguments.noise).error_probability:
        raise InputError(
            "--hardware sets the noise of pairs by their age: leave out --noise, or --hardware"
        )
    try:
        from qring.training import models
    except ImportError:
        raise MissingExtraError("training", "torch") from None
    pixels = images.PIXELS[images.ImageSet(arguments.data)]
    model = models.build(ModelKind(arguments.model), pixels)
    coords = models.size(model)
    rate = {} if arguments.link_rate is None else {"classical_bits_per_s": arguments.link_rate}
    hardware = replace(
        Hardware.of(arguments.hardware, **rate),
        births=Spacing.REGULAR, grain=grain_for(arguments.workers, coords),
    )  # fmt: skip
    given = arguments.compute_time
    return Clocked(
        hardware=hardware, workers=arguments.workers, coords=coords,
        compute_s=_step_s(model, pixels, arguments.batch) if given is None else given,
        measured=given is None, quantum=arguments.protocol == "superdense",
        coding=None if arguments.code == "none" else Coding.parse(arguments.code),
        topology=Topology(arguments.topology), seed=arguments.seed,
    )  # fmt: skip


def _step_s(model: Any, pixels: int, batch: int) -> float:  # noqa: ANN401 - a torch module
    """Median seconds of a forward and backward pass here, on one thread as in a rank."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        inputs, labels = torch.zeros(batch, pixels), torch.zeros(batch, dtype=torch.int64)
        taken = []
        for _ in range(_TIMED):
            started = time.perf_counter()
            loss = torch.nn.functional.cross_entropy(model(inputs), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            taken.append(time.perf_counter() - started)
    finally:
        torch.set_num_threads(before)
    return statistics.median(taken)

"""Engine of circuits: every pair and every copy is a shot on a Qiskit sampler."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.circuits.copies import Prepared, measured_in, prepared, with_phases
from qring.circuits.ghz import Source, check_workers
from qring.circuits.sampling import Job, Sampling
from qring.circuits.superdense import SuperdensePair
from qring.encoding.superdense import pauli_labels
from qring.errors import InputError
from qring.network import pauli
from qring.network.adversary.base import History
from qring.network.conditions import Conditions
from qring.network.copies import Tampered
from qring.network.explicit import ExplicitBatch, ExplicitPairs
from qring.network.fast import FAST
from qring.network.ghz import Words
from qring.network.network import Network
from qring.network.noise import PERFECT_QUBITS, BellDiagonal, QubitNoise
from qring.network.pool import Check, Evidence, Pool, Verdict, most_apart
from qring.network.stabilisers import draw_strings, pauli_string
from qring.network.supply import Supply
from qring.network.view import Announced
from qring.validate import check_enum

__all__ = ["CircuitEngine", "QiskitNetwork"]

_EVIDENCE = 8
_ONE_DEVICE = (
    "circuits on one device: no qubit was sent anywhere, and whoever runs it sees everything"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitEngine:
    """Circuits run by ``sampler``, a Qiskit ``SamplerV2`` or a :class:`Sampling`.

    For small sizes. Noise of the network and what an adversary does to copies become gates of the
    circuits; the device's own noise comes on top, and ``device_visibility`` says what visibility
    readouts may then count on. ``source`` is how copies are made, ``storage_s`` how long pairs
    wait, in seconds. It records no view, and its nodes are honest.

    Raises:
        InputError: a source or visibility that cannot be.
    """

    sampler: Any
    source: Source = Source.CHAIN
    storage_s: float = 0.0
    device_visibility: float = 1.0

    def __post_init__(self) -> None:
        check_enum("source", self.source, Source)
        if self.source is Source.PLUS:
            raise InputError("a tampered source is an adversary: Adversary(source=PlusState())")
        if not 0 < self.device_visibility <= 1:
            raise InputError(f"a visibility lies in (0, 1], not at {self.device_visibility}")
        if not isinstance(self.sampler, Sampling):
            object.__setattr__(self, "sampler", Sampling(sampler=self.sampler))

    @property
    def needs_words(self) -> bool:
        """Every worker's own words are encoded, each on its own qubit."""
        return True

    @property
    def caveats(self) -> tuple[str, ...]:
        """That there is one device only, and what its sampler says of itself."""
        feeds = self.sampler.feed_forward_caveats if self.source is Source.CONSTANT_DEPTH else ()
        return (_ONE_DEVICE, *self.sampler.caveats, *feeds)

    def check(self, conditions: Conditions) -> None:
        """Refuse a view or dishonest nodes.

        Raises:
            InputError: as said.
        """
        adversary = conditions.adversary
        if conditions.record_view or (adversary is not None and adversary.nodes):
            raise InputError("a network of circuits records no view and knows no dishonest nodes")

    def visibility(self, noise: QubitNoise, workers: int) -> float:
        """V that a readout may count on: the network's times the device's."""
        return noise.visibility(workers) * self.device_visibility

    def pairs(self, noise: BellDiagonal, rng: np.random.Generator | None) -> ExplicitPairs:
        """Pairs that are a shot each.

        Raises:
            InputError: noise, and no generator to draw its errors.
        """
        if noise.error_probability and rng is None:
            raise InputError("a noisy network draws errors: pass rng=numpy.random.default_rng(...)")
        return ExplicitPairs(partial(self._send, noise, rng))

    def fresh(
        self, conditions: Conditions, workers: int, rng: np.random.Generator
    ) -> Supply[Tampered]:
        """Untested copies, made as they are asked for."""
        check_workers(workers)
        make = partial(FAST.pool, conditions=conditions, workers=workers, rng=rng, history=())
        return _Fresh(make, self.visibility(conditions.qubit_noise, workers))

    def pool(
        self,
        count: int,
        conditions: Conditions,
        *,
        workers: int,
        rng: np.random.Generator,
        history: History,
        first: int,
    ) -> Pool:
        """Copies that are run when they are tested or used."""
        check_workers(workers)
        pool = FAST.pool(count, conditions, workers=workers, rng=rng, history=history, first=first)
        return _SampledPool(
            count=count,
            workers=workers,
            tampered=pool.tampered,
            visibility=self.visibility(conditions.qubit_noise, workers),
            engine=self,
        )

    def batch(
        self,
        total: Words,
        words: Words | None,
        *,
        workers: int,
        supply: Supply[Any],
        announce: Callable[[int], None],
        rng: np.random.Generator,
        view: list[Announced] | None,
    ) -> ExplicitBatch:
        """Every worker's ``words``, about to be encoded on copies of ``supply``.

        Raises:
            InputError: the words are missing.
        """
        if words is None:
            raise InputError("circuits encode every worker's own words; hand them in")
        return ExplicitBatch(
            words,
            workers=workers,
            supply=supply,
            announce=announce,
            rng=rng,
            measure=partial(self._measure_x, rng),
        )

    def _send(
        self, noise: BellDiagonal, rng: np.random.Generator | None, labels: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Run one circuit a label and fault, as many times as there are such pairs."""
        struck = np.zeros(len(labels), np.uint8)
        if noise.error_probability and rng is not None:
            frame = np.zeros(-(-len(labels) // 4), np.uint8)
            pauli.disturb(frame, len(labels), noise, rng)
            struck = pauli_labels(frame, 2 * len(labels))
        pairs = [
            SuperdensePair(label=label, storage_s=self.storage_s, fault=fault)
            for label, fault in zip(labels.tolist(), struck.tolist(), strict=True)
        ]
        outcomes = self._run_each(pairs, lambda pair: pair.build(), lambda _: ())
        return np.asarray([2 * b1 + b2 for b1, b2 in outcomes], np.uint8)

    def _measure_x(
        self, rng: np.random.Generator, tampered: Tampered, phases: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """Run every copy with its phases, one shot each."""
        workers, count = phases.shape
        copies = prepared(count, workers, tampered, rng)
        shots = list(zip(copies, map(tuple, phases.T.tolist()), strict=True))
        outcomes = self._run_each(
            shots,
            lambda shot: with_phases(workers, self.source, shot[0].kind, shot[0].bits),
            lambda shot: (shot[0].turn, *shot[1]),
            lambda shot: ("phases", workers, self.source, shot[0].kind, shot[0].bits),
        )
        return np.asarray(outcomes, np.uint8).T

    def measure_pauli(
        self, copies: Sequence[Prepared], letters: Sequence[str]
    ) -> list[tuple[int, ...]]:
        """Measure every copy in the bases of its ``letters``, one string of them a copy."""
        return self._run_each(
            list(zip(copies, letters, strict=True)),
            lambda shot: measured_in(shot[1], self.source, shot[0].kind, shot[0].bits),
            lambda shot: (shot[0].turn,),
            lambda shot: ("pauli", shot[1], self.source, shot[0].kind, shot[0].bits),
        )

    def _run_each(
        self,
        shots: Sequence[Any],
        build: Callable[[Any], Any],
        values: Callable[[Any], tuple[float, ...]],
        key: Callable[[Any], Hashable] = lambda shot: shot,
    ) -> list[tuple[int, ...]]:
        """Outcomes of all shots, in order; equal ones are run together."""
        places: dict[Any, list[int]] = {}
        for place, shot in enumerate(shots):
            places.setdefault(shot, []).append(place)
        jobs = [
            Job(self.sampler.fitted_once(key(shot), partial(build, shot)), len(where), values(shot))
            for shot, where in places.items()
        ]
        outcomes: list[tuple[int, ...]] = [()] * len(shots)
        for found, where in zip(self.sampler.run(jobs), places.values(), strict=True):
            rows = found["bits" if "bits" in found else "outcome"].tolist()
            for place, row in zip(where, rows, strict=True):
                outcomes[place] = tuple(row)
        return outcomes


def QiskitNetwork(  # noqa: N802 - reads like the class of networks that it makes
    sampler: Any,  # noqa: ANN401 - Qiskit has no types
    *,
    source: Source = Source.CHAIN,
    storage_s: float = 0.0,
    device_visibility: float = 1.0,
    **conditions: Any,  # noqa: ANN401 - the fields of a network
) -> Network:
    """A :class:`~qring.network.network.Network` whose engine runs circuits.

    Args:
        sampler: a Qiskit ``SamplerV2``, or a :class:`~qring.circuits.sampling.Sampling`.
        source: how GHZ copies are made.
        storage_s: how long pairs wait, in seconds.
        device_visibility: V that the device's own noise leaves a copy, in (0, 1].
        **conditions: fields of the network.

    Raises:
        InputError: what the engine cannot simulate.
    """
    network = Network(**conditions)
    engine = CircuitEngine(
        sampler=sampler, source=source, storage_s=storage_s, device_visibility=device_visibility
    )
    return replace(network, engine=engine)


class _Fresh:
    """Copies that are made when a readout asks for them."""

    __slots__ = ("_made", "_make", "noise", "visibility")

    def __init__(self, make: Callable[..., Pool], visibility: float) -> None:
        self._make, self._made = make, 0
        self.noise, self.visibility = PERFECT_QUBITS, visibility

    def take(self, count: int) -> Tampered:
        """Make ``count`` copies more."""
        first, self._made = self._made, self._made + count
        return self._make(count, first=first).tampered


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _SampledPool(Pool):
    """Copies that are run when they are tested; each is a shot of its own."""

    engine: CircuitEngine

    def test_stabilisers(self, rng: np.random.Generator) -> Verdict:
        """Measure a uniformly random non-identity stabiliser of every copy; uses them up."""
        drawn = draw_strings(self.count, self.workers, rng)
        names = [
            pauli_string(bool(sort), int(members), self.workers)
            for sort, members in zip(*drawn, strict=True)
        ]
        return self._tested(Check.STABILISER, names, rng)

    def test_z(self, rng: np.random.Generator) -> Verdict:
        """Measure every qubit of every copy in Z; outcomes must agree. Uses the copies up."""
        return self._tested(Check.Z, ["=" + "Z" * self.workers] * self.count, rng)

    def test_pairs(self, tolerated: int, rng: np.random.Generator) -> Verdict:
        """Measure every qubit in Z; no two workers may disagree on more than ``tolerated``."""
        return replace(self.test_z(rng), tolerated=tolerated)

    def hash_phases(self, checks: Pool, rng: np.random.Generator) -> tuple[Verdict, Pool]:
        """Refuse: see :meth:`hash_amplitudes`."""
        return self.hash_amplitudes(checks, rng)

    def hash_amplitudes(self, checks: Pool, rng: np.random.Generator) -> tuple[Verdict, Pool]:
        """Refuse: checked copies stay entangled, and must all live until they are used."""
        raise InputError(
            "hashed checks keep all copies alive at once, and a sampler runs one shot after "
            "another: verify by cut-and-choose here, or use the fast network or the referee"
        )

    def _tested(self, check: Check, names: list[str], rng: np.random.Generator) -> Verdict:
        """Measure one string a copy; its first character is its sign, or = for all alike."""
        copies = prepared(self.count, self.workers, self.tampered, rng)
        found = self.engine.measure_pauli(copies, [name[1:] for name in names])
        origins = np.arange(self.count)
        origins[self.tampered.where] = self.tampered.origin
        failures = []
        for copy, (name, outcomes) in enumerate(zip(names, found, strict=True)):
            asked = [b if c != "_" else None for b, c in zip(outcomes, name[1:], strict=True)]
            told = [b for b in asked if b is not None]
            wrong = len(set(told)) > 1 if name[0] == "=" else sum(told) % 2 != (name[0] == "-")
            if wrong:
                failures.append(
                    Evidence(
                        test=check,
                        copy=int(origins[copy]),
                        stabiliser=name.lstrip("="),
                        outcomes=tuple(asked),
                    )
                )
        apart = None
        if check is Check.Z:
            shown = [[bit or 0 for bit in failure.outcomes] for failure in failures]
            apart = most_apart(np.array(shown, np.uint8).reshape(-1, self.workers).T)
        return Verdict(
            test=check,
            tested=self.count,
            failed=len(failures),
            evidence=tuple(failures[:_EVIDENCE]),
            failed_at=np.array(sorted(failure.copy for failure in failures), np.int64),
            disagreements=apart,
        )

"""Device cards: the few figures of a device that a run on a few of its qubits depends on.

A card is made once from a backend that Qiskit knows, and kept as JSON; runs from it need no device
and take a fraction of the time. The noise is the one that Aer derives from a backend: each gate
suffers relaxation for as long as it takes, and as much depolarising noise as makes up its error;
delays relax; readout flips bits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from qring.circuits.portable import import_qiskit
from qring.circuits.sampling import Sampling
from qring.errors import InputError, MissingExtraError
from qring.jsontext import to_json

__all__ = ["CardGate", "CardQubit", "DeviceCard", "best_line", "fake_backend", "make_card"]

_SCHEMA = "qring device card 1"
_OPTIMISTIC = (
    "optimistic where outcomes are fed forward: the time and the errors of measuring, deciding and "
    "acting in the middle of a circuit are hardly modelled"
)
_SNAPSHOT = "idle qubits do not decay, gates do not disturb their neighbours, and figures are old"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardQubit:
    """One qubit: its number on the device, times in seconds, probabilities of reading wrong."""

    index: int
    t1_s: float
    t2_s: float
    read_0_as_1: float
    read_1_as_0: float

    def __post_init__(self) -> None:
        if not (self.t1_s > 0 and 0 < self.t2_s <= 2 * self.t1_s * (1 + 1e-9)):
            raise InputError(
                f"qubit {self.index}: T1 = {self.t1_s:g} s and T2 = {self.t2_s:g} s, but times are "
                "positive and T2 is at most 2·T1"
            )
        for flip in (self.read_0_as_1, self.read_1_as_0):
            if not 0 <= flip <= 1:
                raise InputError(f"qubit {self.index}: readout error {flip} is not in [0, 1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardGate:
    """One gate on qubits of the card: average error (1 − average gate fidelity) and seconds."""

    name: str
    qubits: tuple[int, ...]
    error: float
    duration_s: float

    def __post_init__(self) -> None:
        if not (0 <= self.error <= 1 and math.isfinite(self.duration_s) and self.duration_s >= 0):
            raise InputError(
                f"gate {self.name} on {self.qubits}: error {self.error} or duration "
                f"{self.duration_s} s is impossible"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCard:
    """A few qubits of one device.

    ``dt_s`` is the tick of its clock in seconds; ``source`` says where the figures are from.
    """

    device: str
    source: str
    dt_s: float
    qubits: tuple[CardQubit, ...]
    gates: tuple[CardGate, ...]

    def to_json(self) -> str:
        """The card as JSON text that :meth:`from_json` reads back as this value."""
        fields = {"schema": _SCHEMA, **asdict(self), "caveats": [_SNAPSHOT, _OPTIMISTIC]}
        return to_json(fields, indent=1)

    @classmethod
    def from_json(cls, text: str) -> DeviceCard:
        """Read a card.

        Raises:
            InputError: not a card, or with impossible figures.
        """
        try:
            fields = json.loads(text)
            if fields.get("schema") != _SCHEMA:
                raise InputError(
                    f"not a device card of schema {_SCHEMA!r}; make one with: qring device"
                )
            return cls(
                device=str(fields["device"]),
                source=str(fields["source"]),
                dt_s=float(fields["dt_s"]),
                qubits=tuple(CardQubit(**qubit) for qubit in fields["qubits"]),
                gates=tuple(
                    CardGate(**{**gate, "qubits": tuple(gate["qubits"])})
                    for gate in fields["gates"]
                ),
            )
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"not a device card: {error!r}; make one with: qring device") from None

    @classmethod
    def read(cls, path: Path) -> DeviceCard:
        """Read a card from a file.

        Raises:
            InputError: it cannot be read, or is no card.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InputError(f"{path} is not a device card; make one with: qring device") from None
        try:
            return cls.from_json(text)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    def sampling(self, seed: int | None = None) -> Sampling:
        """Run circuits with this card's noise, on Aer.

        Raises:
            MissingExtraError: Qiskit or Aer is not installed.
        """
        import_qiskit()
        try:
            from qiskit_aer.primitives import SamplerV2
        except ImportError:
            raise MissingExtraError("running circuits on Aer", "qiskit") from None
        from qiskit.transpiler import generate_preset_pass_manager

        options = {"noise_model": self._noise_model()}
        return Sampling(
            sampler=SamplerV2(seed=seed, options={"backend_options": options}),
            passes=generate_preset_pass_manager(1, target=self._target(), seed_transpiler=0),
            caveats=(f"{self.device}: {_SNAPSHOT}",),
            feed_forward_caveats=(f"{self.device}: {_OPTIMISTIC}",),
        )

    def _target(self) -> Any:  # noqa: ANN401 - Qiskit has no types
        """Target of the transpiler: gates, their qubits, and the clock."""
        from qiskit.circuit import Delay, IfElseOp, Measure, Parameter, Reset
        from qiskit.circuit.library import get_standard_gate_name_mapping
        from qiskit.transpiler import InstructionProperties, Target

        target = Target(num_qubits=len(self.qubits), dt=self.dt_s)
        everywhere = {(k,): None for k in range(len(self.qubits))}
        known = get_standard_gate_name_mapping()
        for name in sorted({gate.name for gate in self.gates}):
            places = {
                gate.qubits: InstructionProperties(duration=gate.duration_s, error=gate.error)
                for gate in self.gates
                if gate.name == name
            }
            target.add_instruction(known[name], places)
        target.add_instruction(Measure(), everywhere)
        target.add_instruction(Reset(), everywhere)
        target.add_instruction(Delay(Parameter("t")), everywhere)
        target.add_instruction(IfElseOp, name="if_else")
        return target

    def _noise_model(self) -> Any:  # noqa: ANN401 - Aer has no types
        from qiskit.circuit import Delay
        from qiskit_aer.noise import NoiseModel, ReadoutError
        from qiskit_aer.noise.passes import RelaxationNoisePass

        model = NoiseModel(basis_gates=sorted({gate.name for gate in self.gates}))
        errors: dict[tuple[object, ...], Any] = {}  # gates of the same figures share theirs
        for gate in self.gates:
            figures = (gate.qubits, gate.error, gate.duration_s)
            if figures not in errors:
                errors[figures] = self._gate_error(gate)
            error = errors[figures]
            if error is not None:
                model.add_quantum_error(error, gate.name, list(gate.qubits))
        for place, qubit in enumerate(self.qubits):
            up, down = qubit.read_0_as_1, qubit.read_1_as_0
            model.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [place])
        times = [[q.t1_s for q in self.qubits], [q.t2_s for q in self.qubits]]
        model._custom_noise_passes.append(RelaxationNoisePass(*times, self.dt_s, Delay))
        return model

    def _gate_error(self, gate: CardGate) -> Any:  # noqa: ANN401
        """Relaxation, and depolarising noise before it that makes up the gate's average error.

        Relaxation alone keeps the average fidelity F_r = (D·∏ᵢ(1 + e^{−t/T1ᵢ} + 2e^{−t/T2ᵢ})/4 + 1)
        / (D + 1) on dimension D. Noise of weight p has F = (1−p)·F_r + p/D before it, so
        p = D·(F_r − F)/(D·F_r − 1).
        """
        from qiskit_aer.noise import depolarizing_error, thermal_relaxation_error

        qubits, time = [self.qubits[place] for place in gate.qubits], gate.duration_s
        size = 2 ** len(qubits)
        entanglement = math.prod(
            (1 + math.exp(-time / q.t1_s) + 2 * math.exp(-time / q.t2_s)) / 4 for q in qubits
        )
        kept = (size * entanglement + 1) / (size + 1)
        weight = size * (kept - 1 + gate.error) / (size * kept - 1)
        parts = []
        if weight > 0:
            parts.append(depolarizing_error(min(weight, 1.0), len(qubits)))
        if time:
            relaxed = [thermal_relaxation_error(q.t1_s, q.t2_s, time) for q in qubits]
            parts.append(relaxed[0] if size == 2 else relaxed[0].expand(relaxed[1]))
        if len(parts) == 2:
            return parts[0].compose(parts[1])
        return parts[0] if parts else None


def fake_backend(name: str) -> Any:  # noqa: ANN401
    """One of the offline fake devices of qiskit-ibm-runtime, by its name.

    Raises:
        InputError: there is none of that name.
        MissingExtraError: the package is not installed.
    """
    try:
        from qiskit_ibm_runtime import fake_provider
    except ImportError:
        raise MissingExtraError("fake devices", "ibm") from None
    wanted = name.lower().removeprefix("fake").removesuffix("v2")
    for found in dir(fake_provider):
        short = found.lower().removeprefix("fake").removesuffix("v2")
        if found.startswith("Fake") and "Provider" not in found and short == wanted:
            return getattr(fake_provider, found)()
    raise InputError(f"there is no fake device {name!r}; names are like FakeTorino or FakeManilaV2")


def best_line(backend: Any, length: int) -> tuple[int, ...]:  # noqa: ANN401
    """Find ``length`` connected qubits in a row with the least errors of gates and readout.

    Raises:
        InputError: the device has no such line.
    """
    target = backend.target
    pair_gate = _pair_gate(target)
    cost: dict[tuple[int, ...], float] = {}
    for edge, facts in target[pair_gate].items():
        error = 1.0 if facts is None or facts.error is None else facts.error
        for way in (edge, edge[::-1]):
            cost[way] = min(cost.get(way, math.inf), error)
    for (qubit,), facts in target["measure"].items():
        cost[(qubit,)] = 1.0 if facts is None or facts.error is None else facts.error
    neighbours: dict[int, list[int]] = {}
    for way in cost:
        if len(way) == 2:
            neighbours.setdefault(way[0], []).append(way[1])

    def lines(line: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(line) == length:
            yield line
            return
        for following in neighbours.get(line[-1], []):
            if following not in line:
                yield from lines((*line, following))

    def total(line: tuple[int, ...]) -> float:
        return sum(cost[(qubit,)] for qubit in line) + sum(map(cost.__getitem__, pairwise(line)))

    every = (line for qubit in range(backend.num_qubits) for line in lines((qubit,)))
    best = min(every, key=total, default=None)
    if best is None:
        raise InputError(f"{backend.name} has no line of {length} connected qubits")
    return best


def make_card(backend: Any, qubits: tuple[int, ...]) -> DeviceCard:  # noqa: ANN401
    """Note down what a run on ``qubits`` of a backend depends on.

    Raises:
        InputError: qubits that the device lacks, or whose figures are missing.
    """
    target = backend.target
    if len(set(qubits)) < len(qubits) or not set(qubits) <= set(range(backend.num_qubits)):
        raise InputError(f"{backend.name} has qubits 0..{backend.num_qubits - 1}, not {qubits}")
    place = {qubit: k for k, qubit in enumerate(qubits)}
    gates = []
    for name in target.operation_names:
        if name in ("measure", "reset", "delay") or target[name] in (None, {None: None}):
            continue
        for where, facts in target[name].items():
            if where is not None and set(where) <= set(qubits):
                gates.append(
                    CardGate(
                        name=name,
                        qubits=tuple(place[qubit] for qubit in where),
                        error=float(getattr(facts, "error", None) or 0.0),
                        duration_s=float(getattr(facts, "duration", None) or 0.0),
                    )
                )
    return DeviceCard(
        device=str(backend.name),
        source=_source_of(backend),
        dt_s=float(target.dt),
        qubits=tuple(_card_qubit(target, qubit) for qubit in qubits),
        gates=tuple(gates),
    )


def _card_qubit(target: Any, qubit: int) -> CardQubit:  # noqa: ANN401
    times, readout = target.qubit_properties[qubit], target["measure"][(qubit,)]
    if times is None or times.t1 is None or readout is None or readout.error is None:
        raise InputError(f"the device gives no T1 or no readout error for qubit {qubit}")
    return CardQubit(
        index=qubit,
        t1_s=float(times.t1),
        t2_s=min(float(times.t2 or math.inf), 2 * float(times.t1)),
        read_0_as_1=float(getattr(readout, "prob_meas1_prep0", readout.error)),
        read_1_as_0=float(getattr(readout, "prob_meas0_prep1", readout.error)),
    )


def _pair_gate(target: Any) -> str:  # noqa: ANN401
    for name in ("cz", "cx", "ecr"):
        if name in target.operation_names:
            return name
    raise InputError("the device has no CX, CZ or ECR gate")


def _source_of(backend: Any) -> str:  # noqa: ANN401
    from importlib.metadata import PackageNotFoundError, version

    try:
        package = f"qiskit-ibm-runtime {version('qiskit-ibm-runtime')}"
    except PackageNotFoundError:
        package = "a Qiskit backend"
    calibrated = _calibrated(backend)
    return f"{type(backend).__name__} of {package}" + (f", {calibrated}" if calibrated else "")


def _calibrated(backend: Any) -> str:  # noqa: ANN401
    """Date of the device's calibration, if it is known."""
    properties: Mapping[str, Any] | Any = getattr(backend, "properties", lambda: None)()
    date = getattr(properties, "last_update_date", None)
    return f"calibrated {date:%Y-%m-%d}" if date is not None else ""

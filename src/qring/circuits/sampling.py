"""Run circuits on any Qiskit ``BaseSamplerV2``: Aer, a fake device, or a real one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from qring.circuits.portable import Bits, ProtocolCircuit, import_qiskit
from qring.errors import InputError, MissingExtraError

__all__ = ["Job", "Sampling", "aer_sampling"]


class Job(NamedTuple):
    """A circuit to run ``shots`` times, with values for its parameters in their own order."""

    circuit: Any
    shots: int
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sampling:
    """A sampler, and the pass manager that fits circuits to its device.

    ``sampler`` is any ``BaseSamplerV2``. ``passes`` may be ``None`` where the sampler takes
    circuits as they are, as Aer does. ``caveats`` hold for every result, ``feed_forward_caveats``
    for circuits in which a measured bit decides what happens next.
    """

    sampler: Any
    passes: Any = None
    caveats: tuple[str, ...] = ()
    feed_forward_caveats: tuple[str, ...] = ()
    _fitted: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not callable(getattr(self.sampler, "run", None)):
            raise InputError(
                f"a sampler is a Qiskit SamplerV2 with run(pubs), not {type(self.sampler).__name__}"
            )

    def fitted(self, circuit: Any) -> Any:  # noqa: ANN401 - Qiskit has no types
        """The circuit as the device takes it.

        Raises:
            InputError: the device has too few qubits, or lacks something else.
        """
        if self.passes is None:
            return circuit
        import_qiskit()
        from qiskit.transpiler.exceptions import TranspilerError

        try:
            return self.passes.run(circuit)
        except TranspilerError as error:
            reason = str(error.message).rstrip(".")
            raise InputError(
                f"the device cannot run this circuit of {circuit.num_qubits} qubits: {reason}"
            ) from None

    def fitted_once(self, key: Hashable, build: Callable[[], Any]) -> Any:  # noqa: ANN401
        """The circuit that ``build`` writes down, fitted at the first call with this ``key``."""
        if key not in self._fitted:
            self._fitted[key] = self.fitted(build())
        return self._fitted[key]

    def caveats_of(self, circuit: Any) -> tuple[str, ...]:  # noqa: ANN401
        """Caveats of this circuit's results."""
        decides = any(step.operation.name == "if_else" for step in circuit.data)
        return self.caveats + (self.feed_forward_caveats if decides else ())

    def run(self, jobs: Sequence[Job]) -> list[Bits]:
        """Run fitted circuits, in one submission; one entry a job."""
        if not jobs:
            return []
        import_qiskit()
        pubs = [(job.circuit, list(job.values) or None, job.shots) for job in jobs]
        found = self.sampler.run(pubs).result()
        return [
            {
                name: part.to_bool_array(order="little").astype(np.uint8).reshape(job.shots, -1)
                for name, part in result.data.items()
            }
            for job, result in zip(jobs, found, strict=True)
        ]

    def sample(self, circuit: ProtocolCircuit, shots: int) -> Any:  # noqa: ANN401
        """Run a protocol's circuit and read it."""
        return circuit.read(self.run([Job(self.fitted(circuit.build()), shots)])[0])


def aer_sampling(seed: int | None = None) -> Sampling:
    """Run on Aer without noise.

    Raises:
        MissingExtraError: Aer is not installed.
    """
    try:
        from qiskit_aer.primitives import SamplerV2
    except ImportError:
        raise MissingExtraError("running circuits on Aer", "qiskit") from None
    return Sampling(sampler=SamplerV2(seed=seed))

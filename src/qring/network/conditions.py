"""Conditions of a network, as data: noise, who listens, and what is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from qring.errors import InputError
from qring.network.adversary.base import Adversary
from qring.network.coded.coding import Coding
from qring.network.hardware.supply import Hardware
from qring.network.levels import Inside
from qring.network.noise import NOISELESS, PERFECT_QUBITS, BellDiagonal, QubitNoise
from qring.schedule.schedule import Schedule
from qring.schedule.topology import Topology
from qring.validate import check_flag, check_instance

__all__ = ["Conditions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Noise of links and copies, the adversary, and what a run records.

    ``noise`` is that of every shared pair, unless ``noise_on`` names the directed link
    (src, dst). ``qubit_noise`` is that of every qubit of a GHZ state. Classical bits are
    noiseless. With ``record_faults`` the result carries every sampled error of a pair.
    ``adversary`` sits where copies are made and shared; see :mod:`qring.network.adversary`. With
    ``record_view`` the result carries all that she sees and holds. With ``coding`` links correct
    the noise of their pairs, and messages arrive as they were sent. ``topology`` is the schedule
    of sums over links, by name or as a :class:`~qring.schedule.schedule.Schedule`; in a hierarchy
    ``inside`` says what travels inside a host, by default what travels between hosts. With
    ``hardware`` links take time: they wait for pairs, which have the noise of their age.
    """

    noise: BellDiagonal = NOISELESS
    noise_on: Mapping[tuple[int, int], BellDiagonal] = field(default_factory=dict)
    qubit_noise: QubitNoise = PERFECT_QUBITS
    record_faults: bool = False
    adversary: Adversary | None = None
    record_view: bool = False
    coding: Coding | None = None
    topology: Topology | Schedule = field(default_factory=Topology)
    inside: Inside | None = None
    hardware: Hardware | None = None

    def __post_init__(self) -> None:
        pairs = "a BellDiagonal, such as BellDiagonal.depolarising(0.1)"
        check_instance("noise", self.noise, BellDiagonal, pairs)
        check_instance("noise_on", self.noise_on, Mapping, "{(src, dst): BellDiagonal(...)}")
        for (src, dst), noise in self.noise_on.items():
            check_instance(f"noise_on[{src}, {dst}]", noise, BellDiagonal, pairs)
        check_instance("qubit_noise", self.qubit_noise, QubitNoise,
                       "a QubitNoise, such as QubitNoise.depolarising(0.01)")  # fmt: skip
        if self.adversary is not None:
            check_instance("adversary", self.adversary, Adversary,
                           "Adversary(source=...), such as PlusState()")  # fmt: skip
        if self.coding is not None:
            check_instance("coding", self.coding, Coding, "Coding(), or None for no correction")
            if self.record_faults:
                raise InputError(
                    "coded links correct the errors of pairs: record_faults has none to record; "
                    "leave out coding, or record_faults"
                )
        check_instance("topology", self.topology, (Topology, Schedule),
                       "Topology('halving'), or a Schedule")  # fmt: skip
        if self.inside is not None:
            check_instance("inside", self.inside, Inside, "Inside(), or None")
            if self._host_size is None:
                raise InputError(
                    f"inside says what travels inside the hosts of a hierarchy; the topology is "
                    f"{self.topology}: leave it out, or choose hierarchical:INNERxOUTER"
                )
        if self.hardware is not None:
            self._check_hardware(self.hardware)
        check_flag("record_faults", self.record_faults)
        check_flag("record_view", self.record_view)

    def _check_hardware(self, hardware: object) -> None:
        check_instance("hardware", hardware, Hardware, "Hardware.of('ions-rate')")
        watched = self.adversary is not None and self.adversary.online is not None
        for name, given in (
            ("noise", self.noise != NOISELESS), ("noise_on", bool(self.noise_on)),
            ("inside", self.inside is not None), ("record_faults", self.record_faults),
            ("an adversary on the links", watched),
            ("adaptive coding", self.coding is not None and self.coding.adaptive),
        ):  # fmt: skip
            if given:
                raise InputError(
                    f"hardware sets the noise of pairs by their age, and {name} does not go with "
                    "it: leave one of the two out"
                )

    def noise_between(self, src: int, dst: int) -> BellDiagonal:
        """Noise of the pairs shared for messages from ``src`` to ``dst``."""
        common = self.noise
        if self.inside is not None and self.on_one_host(src, dst):
            common = self.inside.noise
        return self.noise_on.get((src, dst), common)

    def on_one_host(self, src: int, dst: int) -> bool:
        """Whether two workers are on one host of a hierarchy."""
        size = self._host_size
        return size is not None and src // size == dst // size

    @property
    def _host_size(self) -> int | None:
        sizes = self.topology.sizes if isinstance(self.topology, Topology) else None
        return sizes[0] if sizes is not None else None

    @property
    def is_noiseless(self) -> bool:
        """Whether every pair is perfect."""
        perfect = self.hardware is None or self.hardware.keeps_perfect_pairs
        return perfect and self.worst_pair == 0

    @property
    def worst_pair(self) -> float:
        """Largest probability of an error of a pair on any link."""
        parts = [self.noise, *self.noise_on.values()]
        if self.inside is not None:
            parts.append(self.inside.noise)
        return max(part.error_probability for part in parts)

    @property
    def liars(self) -> frozenset[int]:
        """Workers on the adversary's side."""
        return frozenset() if self.adversary is None else self.adversary.nodes

    def check_workers(self, workers: int) -> None:
        """Raise :class:`InputError` if ``noise_on`` names a link that ``workers`` do not have."""
        for src, dst in self.noise_on:
            if not (0 <= src < workers and 0 <= dst < workers and src != dst):
                raise InputError(f"there is no link {src}→{dst} among {workers} workers")

    def among(self, workers: Sequence[int]) -> Conditions:
        """The conditions between these workers only, numbered anew in this order."""
        number = {worker: k for k, worker in enumerate(workers)}
        adversary = self.adversary
        if adversary is not None:
            nodes = frozenset(number[node] for node in adversary.nodes if node in number)
            adversary = replace(adversary, nodes=nodes)
        links = {
            (number[src], number[dst]): noise
            for (src, dst), noise in self.noise_on.items()
            if src in number and dst in number
        }
        return replace(self, noise_on=links, adversary=adversary)

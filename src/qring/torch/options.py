"""Options of the backend, given by ``pg_options`` or by the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from qring.errors import InputError
from qring.network.coded.choice import check_reach
from qring.network.coded.coding import Coding
from qring.network.noise import NOISELESS, BellDiagonal
from qring.schedule.topology import Topology
from qring.validate import check_instance

__all__ = ["Options"]

PROTOCOLS = ("superdense", "classical")
_T = TypeVar("_T")
TRANSPORTS = ("auto", "memory", "tcp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of a process group: what its messages are, and how the simulation moves them.

    ``protocol`` is what travels: ``"superdense"`` (qubits, two bits each) or ``"classical"``
    (bits). ``noise`` is that of every shared pair; it reaches floating-point payloads only,
    since without error correction a flipped bit in a size, an index or a pickled object would
    end the program rather than disturb it. With ``coding`` links correct their noise, and all
    payloads cross noisy pairs. ``seed`` fixes the errors drawn. ``transport`` says
    how the simulation moves the bytes: by ``"memory"`` between ranks on one host, by ``"tcp"``,
    or, ``"auto"``, by whichever reaches the other rank. ``host`` is the address at which ranks
    on other hosts reach this one; by default the one that faces ``MASTER_ADDR``.

    ``topology`` names the schedule of sums, gathers and broadcasts, one of
    :data:`qring.schedule.topology.TOPOLOGIES`; ``"hierarchical"`` alone takes the hosts that it
    finds as its levels. ``inside`` is the protocol between ranks on one host of a hierarchy:
    noiseless ``"classical"`` bits, or ``"superdense"`` as between hosts.

    Raises:
        InputError: a value is not one of those allowed.
    """

    protocol: str = "superdense"
    noise: BellDiagonal = field(default=NOISELESS)
    coding: Coding | None = None
    seed: int = 0
    transport: str = "auto"
    host: str | None = None
    topology: str = "ring"
    inside: str | None = None

    def __post_init__(self) -> None:
        _check_choice("protocol", self.protocol, PROTOCOLS)
        _check_choice("transport", self.transport, TRANSPORTS)
        hierarchical = Topology(self.topology).name == "hierarchical"
        if self.inside is not None:
            _check_choice("inside", self.inside, PROTOCOLS)
            if not hierarchical:
                raise InputError(
                    f"inside says what travels inside the hosts of a hierarchy; the topology is "
                    f"{self.topology!r}: drop inside or choose 'hierarchical'"
                )
        if not isinstance(self.noise, BellDiagonal):
            raise InputError(
                f"noise is a qring.network.noise.BellDiagonal, not {self.noise!r}; "
                "try BellDiagonal.depolarising(probability)"
            )
        if not isinstance(self.seed, int) or self.seed < 0:
            raise InputError(f"the seed is {self.seed!r}; give a whole number, 0 or more")
        if self.protocol == "classical" and self.is_noisy:
            raise InputError("classical bits are noiseless; drop the noise or use 'superdense'")
        if self.coding is not None:
            check_instance("coding", self.coding, Coding, "Coding(), or None for no correction")
            if not self.is_noisy:
                raise InputError("coding corrects noise, but pairs have none: give noise, too")
            check_reach(self.noise, self.coding)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Options:
        """Options from the variables ``QRING_*``, each named after its option.

        ``QRING_NOISE`` is the error probability of a pair, or those of its errors X,Y,Z.
        ``QRING_CODE`` is none, auto, bch or ldpc, and ``QRING_EMULATE`` decoded (the default),
        sampled or calibrated.
        """
        found = os.environ if environment is None else environment
        try:
            noise = BellDiagonal.parse(found.get("QRING_NOISE") or "0")
        except InputError as error:
            raise InputError(f"QRING_NOISE: {error}") from None
        return cls(
            protocol=found.get("QRING_PROTOCOL") or cls().protocol,
            noise=noise,
            coding=_coding(found),
            seed=_number(found, "QRING_SEED", int, 0),
            transport=found.get("QRING_TRANSPORT") or cls().transport,
            host=found.get("QRING_HOST") or None,
            topology=found.get("QRING_TOPOLOGY") or cls().topology,
            inside=found.get("QRING_INSIDE") or None,
        )

    @property
    def is_noisy(self) -> bool:
        """Whether any pair can carry an error."""
        return self.noise.error_probability > 0

    @property
    def settings(self) -> str:
        """The options on which all ranks of a group must agree, in words."""
        parts = [f"protocol {self.protocol!r}", f"transport {self.transport!r}"]
        parts.append(f"topology {self.topology!r}")
        if self.inside is not None:
            parts.append(f"inside {self.inside!r}")
        if self.coding is not None:
            parts.append(str(self.coding))
        return ", ".join((*parts, str(self.noise)))


def _coding(environment: Mapping[str, str]) -> Coding | None:
    try:
        return Coding.parse(
            environment.get("QRING_CODE") or "none", environment.get("QRING_EMULATE") or None
        )
    except InputError as error:
        raise InputError(f"QRING_CODE, QRING_EMULATE: {error}") from None


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"the {name} is {value!r}; choose one of {', '.join(map(repr, allowed))}")


def _number(
    environment: Mapping[str, str], name: str, kind: Callable[[str], _T], default: _T
) -> _T:
    text = environment.get(name) or str(default)
    try:
        return kind(text)
    except ValueError:
        raise InputError(f"{name} is {text!r}; give a number") from None

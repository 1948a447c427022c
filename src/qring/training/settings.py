"""Settings of a training run: one frozen value, shared by the launcher and every rank."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import Any

from qring.data.images import ImageSet
from qring.encoding.values import FixedPoint
from qring.errors import InputError
from qring.network.coded.coding import Coding
from qring.network.noise import NOISELESS, BellDiagonal, QubitNoise
from qring.numbers import number, positive, probability, train_seed, whole
from qring.protocols.entry import Entry, Sums
from qring.registry import PROTOCOLS
from qring.schedule.topology import Topology
from qring.security.dp.plan import Promise
from qring.validate import check_enum, check_instance

__all__ = ["AuditKind", "ModelKind", "TrainSettings", "add_arguments", "uses"]


class ModelKind(str, Enum):
    """``MLP``: one hidden layer of 128. ``LINEAR``: softmax regression."""

    MLP = "mlp"
    LINEAR = "linear"


class AuditKind(str, Enum):
    """Audit of a training step, beside its sum."""

    NONE = "none"
    TIES = "ties"
    CONFLICTS = "conflicts"
    SUBSPACE = "subspace"


def uses() -> dict[str, tuple[str, ...]]:
    """Protocols that use a setting which not all of them use, by the setting."""
    found: dict[str, tuple[str, ...]] = {}
    for name, entry in PROTOCOLS.items():
        for setting in entry.settings:
            found[setting] = (*found.get(setting, ()), name)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """One training run. ``batch`` counts images a worker and step.

    ``noise`` is that of every shared pair, in ``superdense``, where a ``code`` corrects it,
    emulated as ``emulate`` says. ``topology`` is the schedule of the sums of floats.
    ``word_bits`` and ``clip`` belong to ``ghz``, ``vga``, ``secagg`` and ``private``, where
    gradients are clipped to fixed-point words; ``visibility`` to ``ghz`` and ``private``; to
    ``private`` also ``epsilon``, which bounds what all of training tells beyond sums (in
    ``vga``, what each sum tells), and ``masks``, a folder of masks made ahead. With
    ``dp_epsilon`` above 0 words are noisy, and everything that training tells is
    (``dp_epsilon``, ``dp_delta``) private for each image, whose gradient is shortened to the L2
    length ``dp_clip``. Every ``audit_every`` steps an ``audit`` is made, for the run's metrics.
    """

    protocol: str = "superdense"
    model: ModelKind = ModelKind.MLP
    data: ImageSet = ImageSet.MNIST
    epochs: int = 8
    batch: int = 32
    learning_rate: float = 0.2
    noise: BellDiagonal = NOISELESS
    code: str = "none"
    emulate: str = "decoded"
    topology: str = "ring"
    word_bits: int = 16
    clip: float = 1.0
    visibility: float = 1.0
    qubit_noise: str = "0"
    epsilon: float = 2.0**-40
    masks: str = ""
    dp_epsilon: float = 0.0
    dp_delta: float = 1e-5
    dp_clip: float = 1.0
    audit: AuditKind = AuditKind.NONE
    audit_every: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        entry = self.entry
        check_enum("model", self.model, ModelKind)
        check_enum("data", self.data, ImageSet)
        check_enum("audit", self.audit, AuditKind)
        check_instance("noise", self.noise, BellDiagonal, "BellDiagonal.depolarising(...)")
        default = _defaults()
        for name, users in uses().items():
            if self.protocol not in users and getattr(self, name) != default[name]:
                raise InputError(
                    f"{_option(name)} is not used by {self.protocol}, but by "
                    f"{', '.join(users)}: leave it out"
                )
        for name in ("dp_delta", "dp_clip"):
            if not self.dp_epsilon and getattr(self, name) != default[name]:
                raise InputError(f"{_option(name)} is used with --dp-epsilon only: give it too")
        Topology(self.topology)  # refuses what does not exist
        if self.code == "none" and self.emulate != default["emulate"]:
            raise InputError("--emulate is used with --code only: give it too")
        if self.coding is not None and not self.noise.error_probability:
            raise InputError("--code corrects noise, but pairs have none: give --noise, too")
        for name in ("epochs", "batch", "audit_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"the learning rate must be positive, not {self.learning_rate}")
        FixedPoint(word_bits=self.word_bits, limit=self.clip)  # refuses what is out of range
        QubitNoise.of_copies(self.visibility, self.qubit_noise)
        if not 0 < self.epsilon < 1:
            raise InputError(f"epsilon lies in (0, 1), not at {self.epsilon}")
        if self.protocol == "vga" and self.visibility < 1:
            raise InputError(
                "vga checks all copies of a sum at once, which passes perfect copies only: leave "
                "--visibility at 1, or choose private or ghz"
            )
        if self.masks and self.dp_epsilon:
            raise InputError("--masks are counted in coordinates: leave them out with --dp-epsilon")
        if self.dp_epsilon:
            if entry.sums is Sums.FLOATS:
                raise InputError(
                    f"{self.protocol} carries floats, and noise is shared out in words: "
                    "with --dp-epsilon choose --protocol secagg, private or ghz"
                )
            Promise(epsilon=self.dp_epsilon, delta=self.dp_delta, clip=self.dp_clip)
            if self.audit is AuditKind.CONFLICTS:
                raise InputError(
                    "an audit of conflicts asks about gradients without noise, beyond what "
                    "--dp-epsilon promises; audit ties, which reads what all ranks know"
                )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"the seed must lie in 0..2^32-1, not at {self.seed}")

    def compared(self) -> TrainSettings:
        """The same training over classical links, without what those do not use."""
        default = _defaults()
        unused = [n for n in ("dp_epsilon", "dp_delta", "dp_clip", *uses()) if n != "topology"]
        return replace(self, protocol="classical", **{n: default[n] for n in unused})

    @property
    def entry(self) -> Entry:
        """The protocol's entry in the registry.

        Raises:
            InputError: no such protocol.
        """
        found: Entry = PROTOCOLS[self.protocol]
        return found

    @property
    def sums_words(self) -> bool:
        """Whether gradients become words."""
        return self.entry.sums is Sums.WORDS

    @property
    def coding(self) -> Coding | None:
        """Correction of the links' noise.

        Raises:
            InputError: a code or an emulation that does not exist, or that do not go together.
        """
        return Coding.parse(self.code, None if self.code == "none" else self.emulate)

    @classmethod
    def from_arguments(cls, arguments: argparse.Namespace) -> TrainSettings:
        """Take the fields of this class out of parsed arguments."""
        return cls(
            protocol=arguments.protocol,
            model=ModelKind(arguments.model),
            data=ImageSet(arguments.data),
            epochs=arguments.epochs,
            batch=arguments.batch,
            learning_rate=arguments.learning_rate,
            noise=BellDiagonal.parse(arguments.noise),
            code=arguments.code,
            emulate=arguments.emulate,
            topology=arguments.topology,
            word_bits=arguments.word_bits,
            clip=arguments.clip,
            visibility=arguments.visibility,
            qubit_noise=arguments.qubit_noise,
            epsilon=arguments.epsilon,
            masks=arguments.masks,
            dp_epsilon=arguments.dp_epsilon,
            dp_delta=arguments.dp_delta,
            dp_clip=arguments.dp_clip,
            audit=AuditKind(arguments.audit),
            audit_every=arguments.audit_every,
            seed=arguments.seed,
        )

    def described(self) -> dict[str, str | int | float]:
        """The fields as plain values, ready for JSON."""
        plain: dict[str, str | int | float] = {}
        for field in fields(self):
            value: Any = getattr(self, field.name)
            if isinstance(value, Enum):
                value = value.value
            plain[field.name] = value if isinstance(value, (int, float)) else str(value)
        return plain

    def as_arguments(self) -> list[str]:
        """Return the command line that :func:`add_arguments` reads back as this value."""
        pairs = self.described().items()
        return [word for name, value in pairs for word in (_option(name), str(value))]


_PLAIN: dict[type, Callable[[str], Any]] = {int: whole, float: number()}
_READERS: dict[str, Callable[[str], Any]] = {
    "epsilon": probability,
    "dp_epsilon": number(0, 1e100),
    "dp_delta": probability,
    "dp_clip": positive,
    "seed": train_seed,
}


def _defaults() -> dict[str, Any]:
    return {field.name: field.default for field in fields(TrainSettings)}


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")


def _choices(name: str, value: object) -> list[str] | None:
    if name == "protocol":
        return list(PROTOCOLS)
    return [kind.value for kind in type(value)] if isinstance(value, Enum) else None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one option for every field of :class:`TrainSettings`."""
    helps = {
        "protocol": "what carries the gradients",
        "model": "mlp: one hidden layer of 128; linear: softmax regression",
        "data": "5,000 MNIST images or 1,797 digits of 8x8, both offline",
        "epochs": "passes over the training images",
        "batch": "images a worker and step",
        "learning_rate": "of SGD with momentum 0.9",
        "noise": "superdense: error probability of a pair, or of its errors X,Y,Z",
        "code": "superdense: correct the noise: none, auto, bch or ldpc",
        "topology": "superdense, classical: who sends which chunk to whom; see qring schedule",
        "emulate": "with --code: decoded, sampled (bch) or calibrated",
        "word_bits": "ghz, vga, secagg, private: bits of a word, before the carry of the sum",
        "clip": "ghz, vga, secagg, private: gradients are clipped to [-CLIP, CLIP]",
        "visibility": "ghz, private: visibility of the shared copies, in (0, 1]; private: under "
        "white noise",
        "qubit_noise": "private: error probability of every qubit of a copy, or of X,Y,Z",
        "epsilon": "what is told beyond sums at most; private: by all of training; vga: by a sum",
        "masks": "private: folder of masks; made before the first step if it holds none",
        "dp_epsilon": "add noise: all of training is (E, D) private for each image; 0 is none",
        "dp_delta": "with --dp-epsilon: D",
        "dp_clip": "with --dp-epsilon: L2 length that an image's gradient is shortened to",
        "audit": "ask for conflicts within a client's ties, or between the ranks' gradients",
        "audit_every": "steps from one audit to the next",
        "seed": "of the model, the order of the data and the noise",
    }
    default = TrainSettings()
    for name, plain in default.described().items():
        value = getattr(default, name)
        parser.add_argument(
            _option(name),
            type=_READERS.get(name, _PLAIN.get(type(plain), str)),
            default=plain,
            choices=_choices(name, value),
            help=f"{helps[name]} (default: {'none' if name in ('noise', 'masks') else plain})",
        )

"""Noise correction of links, as data, and the account of corrections."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from qring.errors import InputError
from qring.validate import check_enum, check_flag

__all__ = ["UNDETECTED", "Code", "Coding", "Corrections", "Emulation"]

UNDETECTED = 2.0**-64
"""Probability at most that one coded message arrives wrong and nobody notices.

Standing: bound, where the keyed 64-bit hash of a message acts as a random function of it.
"""


class Code(Enum):
    """Codes that a link may use. ``AUTO``: whichever is cheapest for the message."""

    AUTO = "auto"
    BCH = "bch"
    LDPC = "ldpc"


class Emulation(Enum):
    """Emulation of the frames' fate.

    ``DECODED``: errors are drawn and decoders run; exact. ``SAMPLED``: errors are drawn and a
    frame counts as lost if there are more than its code corrects; exact for BCH codes, the only
    ones it takes. ``CALIBRATED``: losses are drawn at rates measured once; sampled, and
    pessimistic between the measured fidelities.
    """

    DECODED = "decoded"
    SAMPLED = "sampled"
    CALIBRATED = "calibrated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """Noise correction of links.

    ``code`` says which codes they may use, ``emulation`` how the fate of frames is found. With
    ``adaptive`` a link does not know the noise of its pairs: it starts with the strongest code and
    learns from syndromes, by the rule in :mod:`qring.network.coded.adaptation`.

    Raises:
        InputError: combinations that cannot be.
    """

    code: Code = Code.AUTO
    emulation: Emulation = Emulation.DECODED
    adaptive: bool = False

    def __post_init__(self) -> None:
        check_enum("code", self.code, Code)
        check_enum("emulation", self.emulation, Emulation)
        check_flag("adaptive", self.adaptive)
        if self.code is Code.LDPC and self.emulation is Emulation.SAMPLED:
            raise InputError(
                "whether an LDPC decoder succeeds cannot be told from the number of errors: "
                "emulate ldpc decoded or calibrated, or sample with bch"
            )
        if self.adaptive and (self.code is Code.BCH or self.emulation is not Emulation.DECODED):
            raise InputError(
                "a link adapts by the syndromes of LDPC frames that are decoded: use code ldpc or "
                "auto, and emulation decoded"
            )

    @classmethod
    def parse(cls, code: str, emulation: str | None = None) -> Coding | None:
        """Read ``"none"``, ``"auto"``, ``"bch"`` or ``"ldpc"``, and how to emulate it.

        Raises:
            InputError: other words, or an emulation of no code.
        """
        if code == "none":
            if emulation is not None:
                raise InputError(f"{emulation!r} emulates codes, but the code is 'none'")
            return None
        codes, ways = [one.value for one in Code], [one.value for one in Emulation]
        if code not in codes:
            raise InputError(f"code {code!r} is not one of none, {', '.join(codes)}")
        if emulation is not None and emulation not in ways:
            raise InputError(f"emulation {emulation!r} is not one of {', '.join(ways)}")
        return cls(code=Code(code), emulation=Emulation(emulation or "decoded"))

    def __str__(self) -> str:
        adaptive = ", adaptive" if self.adaptive else ""
        return f"code {self.code.value}, {self.emulation.value}{adaptive}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """Account of a run's coded links: messages, frames by fate, and the rounds of retransmissions.

    ``lost`` counts frames that had to be completed or sent again, each time; ``plain`` messages
    went as classical bits, since no code pays for their length and noise.
    """

    coding: Coding
    coded: int = 0
    plain: int = 0
    frames: int = 0
    lost: int = 0
    extra_rounds: int = 0

    @property
    def undetected(self) -> float:
        """Probability at most that any message arrived wrong. Standing: bound, see UNDETECTED."""
        return min(1.0, self.coded * UNDETECTED)

    def __str__(self) -> str:
        if not self.coded:
            return (
                f"no code ({self.coding}) pays for messages of this length and noise: all "
                f"{self.plain} went as classical bits"
            )
        told = (
            f"noise was corrected ({self.coding}): {self.frames} frames in {self.coded} messages, "
            f"{self.lost} losses made good in {self.extra_rounds} more rounds"
        )
        if self.plain:
            told += f"; {self.plain} more messages went as classical bits, where no code pays"
        if self.coding.emulation is not Emulation.DECODED:
            return told
        return (
            f"{told}; some message is wrong with probability at most {self.undetected:.1e} (bound)"
        )

"""``private``: the superdense ring on words that masks hide."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path

from qring.collectives.aggregate import Aggregate
from qring.collectives.dropouts import OnDropout
from qring.errors import InputError
from qring.network.network import Network
from qring.network.noise import QubitNoise
from qring.network.wiring import Distribution
from qring.numbers import number
from qring.protocols import adversary, ring
from qring.protocols.entry import SPOILED, AnyEncoding, Entry, Sums, words
from qring.protocols.uses import Uses
from qring.security.masks.integrity import OnlineCheck
from qring.security.masks.method import Private
from qring.security.masks.outcome import PrivateAggregate

__all__ = ["ENTRY"]


def _add_options(add: Callable[..., argparse.Action]) -> None:
    add("--masks", type=Path, metavar="DIR",
        help="private: take masks out of this folder, see qring masks "
        "(default: make them for this sum alone)")  # fmt: skip
    add("--tested-share", type=number(1e-9, 1), metavar="F",
        help="private: share of copies to test (default: what costs fewest copies)")  # fmt: skip
    add("--qubit-noise", default="0", metavar="P|X,Y,Z",
        help="private: error probability of every qubit of a copy, or of its errors X,Y,Z; with "
        "--visibility, which is white noise of whole copies here (default: 0)")  # fmt: skip
    add("--online-check", choices=[each.value for each in OnlineCheck],
        default=OnlineCheck.REQUIRED.value,
        help="private: check the ring's result before use (default: required)")  # fmt: skip


def _method(encoding: AnyEncoding, arguments: argparse.Namespace) -> Private:
    answer = OnDropout(arguments.on_dropout or "abort")
    if answer is OnDropout.FALLBACK:  # which goes by chunk, too
        answer = OnDropout.BY_CHUNK
    return Private(
        encoding=words(encoding, arguments.protocol),
        epsilon=arguments.epsilon,
        distribution=Distribution(arguments.distribute),
        tested_share=arguments.tested_share,
        inventory=arguments.masks,
        online_check=OnlineCheck(arguments.online_check),
        on_dropout=answer,
        dropouts=dict(map(_dropout, arguments.drop)),
    )


def _dropout(text: str) -> tuple[int, int]:
    worker, _, round_ = text.partition(":")
    try:
        return int(worker), int(round_)
    except ValueError:
        raise InputError(f"--drop {text!r} is not WORKER:ROUND, such as 2:5") from None


def _network(given: Network, workers: int, arguments: argparse.Namespace) -> Network:
    noise = QubitNoise.of_copies(arguments.visibility, arguments.qubit_noise)
    noisy = dataclasses.replace(given, qubit_noise=noise, adversary=adversary.adversary(arguments))
    return ring.corrected(noisy, workers, arguments)


def _figures(result: Aggregate) -> dict[str, int | float]:
    if not isinstance(result, PrivateAggregate):
        return {}
    found: dict[str, int | float] = {
        "epsilon_secrecy": result.epsilon,
        "epsilon_correctness": result.correctness,
        "epsilon_total": result.total_epsilon,
        "corrupted_words_withstood": result.withstood,
        "first_mask": result.first,
        "contributors": len(result.contributors),
    }
    if result.terms is not None:
        found["copies_shared"] = result.terms.copies
        found["copies_tested"] = result.terms.tests
        found["copies_a_mask_digit"] = result.terms.copies / (
            result.terms.masks * result.terms.sum_bits
        )
    return found


def _notes(result: Aggregate) -> tuple[str, ...]:
    if not isinstance(result, PrivateAggregate):
        return ()
    return (
        f"over all uses of the batch of masks: secrecy epsilon {result.epsilon:.3g}, correctness "
        f"epsilon {result.correctness:.3g}, total {result.total_epsilon:.3g} (bounds, finite size)",
    )


def _training_notes(epsilon: float) -> tuple[str, ...]:
    return (
        f"over all of training: secrecy epsilon {epsilon:.3g}, correctness epsilon "
        f"{2 * epsilon:.3g}, total {3 * epsilon:.3g} (bounds, finite size); sums still tell what "
        "sums tell",
    )


ENTRY = Entry(
    name="private",
    about="superdense ring on words that masks from tested GHZ copies hide, checked before use",
    sums=Sums.WORDS,
    method=_method,
    kinds=(Private,),
    wire="masked words, uniform but for their sum up to epsilon, and hashes of them",
    closed_form="qring.theory.masks.mask_ledger",
    add_options=_add_options,
    network=_network,
    figures=_figures,
    notes=_notes,
    uses=(
        Uses(("--noise", "--code", "--emulate", "--epsilon", "--masks", "--online-check")),
        Uses(
            (
                "--visibility",
                "--qubit-noise",
                "--adversary",
                "--adversary-copies",
                "--dishonest",
                "--tested-share",
                "--distribute",
            ),
            without="--masks",
        ),
        Uses(("--adversary", "--dishonest"), "--adversary", tuple(adversary.ONLINE)),
        SPOILED,
    ),
    answers=(OnDropout.ABORT, OnDropout.BY_CHUNK),
    rides_masked=True,
    settings=("word_bits", "clip", "visibility", "qubit_noise", "epsilon", "masks"),
    training_notes=_training_notes,
    attack_uses=(Uses(("--withstood", "--distribute")),),
    member="qring.torch.private:private_member",
    training="qring.training.hook:private_hook",
)

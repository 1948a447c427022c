"""Transcripts of protocols that move classical bits, and exactly how much one tells.

The stronger form of the paper's theorem 2: with independent private coins and every message seen,
what is left possible after a transcript is a product of sets, one a worker. If all workers end
with the right sum, none of these sets can hold two words: an exact protocol tells every word.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qring.errors import InputError
from qring.schedule import ring
from qring.schedule.hops import Action
from qring.security.leakage.law import fits
from qring.security.leakage.report import Setting, Told

__all__ = ["all_words", "masked_words", "ring_messages", "told_by"]

Words = NDArray[np.int64]


def all_words(setting: Setting) -> Words:
    """Every combination of the workers' words, shape (workers, combinations).

    Raises:
        InputError: too many to list.
    """
    if not fits(setting.workers, setting.word_bits):
        raise InputError(
            "transcripts are enumerated: workers · word-bits must be at most 16, not "
            f"{setting.workers} · {setting.word_bits}; the leak, in bits a word bit, does not "
            "depend on the sizes"
        )
    return np.indices((1 << setting.word_bits,) * setting.workers).reshape(setting.workers, -1)


def ring_messages(words: Words, word_bits: int, chunk: int, heard_by: int | None) -> list[Words]:
    """Messages of the ring for a coordinate of ``chunk``: on all links, or into one worker."""
    workers = len(words)
    held = list(words)
    messages = []
    for hops in ring.all_reduce(workers):
        sent = [(hop, held[hop.src]) for hop in hops if hop.chunk == chunk]
        for hop, value in sent:
            if heard_by is None or hop.dst == heard_by:
                messages.append(value)
            joined = value + held[hop.dst] if hop.action is Action.ADD else value
            held[hop.dst] = joined % (1 << word_bits)
    return messages


def masked_words(words: Words, word_bits: int, pads: Words) -> list[Words]:
    """Words under pairwise pads, ``pads[i, j]`` shared by workers i < j: they cancel in the sum."""
    masked = []
    for i, own in enumerate(words):
        shift = int(pads[i, i + 1 :].sum()) - int(pads[:i, i].sum())
        masked.append((own + shift) % (1 << word_bits))
    return masked


def told_by(transcript: Sequence[Words], words: Words, word_bits: int) -> Told:
    """Bits that a transcript tells on the last worker's word, all combinations equally likely.

    Every part of the transcript has an entry a combination of words.
    """
    total = words.sum(axis=0) % (1 << word_bits)
    return Told(
        *(
            _information(np.stack(heard), words[-1], word_bits)
            for heard in (transcript, [*transcript, total])
        )
    )


def _information(heard: Words, word: Words, word_bits: int) -> float:
    _, label = np.unique(heard, axis=1, return_inverse=True)
    joint = np.zeros((int(label.max()) + 1, 1 << word_bits))
    np.add.at(joint, (label.ravel(), word), 1 / len(word))
    whole = joint.sum(axis=1, keepdims=True)
    ratio = np.divide(joint, whole, out=np.ones_like(joint), where=joint > 0)
    return float(word_bits + (joint * np.log2(ratio)).sum())

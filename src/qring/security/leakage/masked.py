"""Attacks on copies, against ``private``: made small, run over and over, each view weighed exactly.

One mask hides the word, made by the protocol's own steps from a code that withstands K corrupted
words and no more. As many copies are tested as are used. Wrong sums of masks are taken to be found,
and nothing is used then: the protocol's check of them, which would only lengthen the code, misses
one in 2^40.
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from qring.encoding.codes import bch_polynomial as bch
from qring.errors import InputError
from qring.network.network import Network
from qring.network.view import View
from qring.security.leakage.ghz_family import Tampering, meaning_of
from qring.security.leakage.law import Table, fits, likelihood_of_copy
from qring.security.leakage.report import (
    Leak,
    Setting,
    Standing,
    Told,
    interval_of_mean,
    interval_of_probability,
)
from qring.security.masks.making import MaskMaking
from qring.security.masks.terms import MaskTerms

__all__ = ["against_private"]


def against_private(tampering: Tampering, setting: Setting, rng: np.random.Generator) -> Leak:
    """Copies are tested, words summed, and masks amplified; then the masked word is sent.

    The word is uniform and so is what hides it: what is told of the word is what is known of the
    last worker's mask. Up to K corrupted words tell nothing, whatever they show.

    Raises:
        InputError: sizes that cannot be followed.
    """
    n, bits = setting.workers, setting.word_bits
    adversary = tampering.adversary(setting)
    if not fits(n, bits):
        raise InputError(
            f"views are weighed against all words of all workers: workers · word-bits must be at "
            f"most 16, not {n} · {bits}"
        )
    terms = _smallest(setting)
    network = Network(adversary=adversary, record_view=True)
    leaks, caught, right = [], 0, 0
    for _ in range(setting.rounds):
        drawn: list[bytes] = []

        def source(size: int, drawn: list[bytes] = drawn) -> bytes:
            drawn.append(os.urandom(size) if size else b"")
            return drawn[-1]

        run = network.open(n, rng)
        making = MaskMaking(
            terms=terms, run=run, source=source, rows=n, distribution=setting.distribution
        )
        verdict, kept = making.test(making.share())
        if not verdict.passed:
            caught += 1
            leaks.append(Told(0.0, 0.0))
            continue
        ((own, total),) = making.masks(kept)
        if ((own.sum(axis=0) - total) % (1 << bits)).any():
            caught += 1
            leaks.append(Told(0.0, 0.0))
            continue
        right += 1
        words = np.frombuffer(drawn[0], np.uint32).reshape(n, -1) % (1 << bits)
        known = {node: words[node].astype(np.int64) for node in adversary.nodes}
        leaks.append(_told_of_mask(run.seen(), terms, known))
    alone, with_sum = (np.maximum(column, 0) for column in np.array(leaks).T)
    leak = Told(float(alone.mean()), float(with_sum.mean()))
    rounds = setting.rounds
    nothing = setting.copies is not None and setting.copies <= setting.withstood
    detected, correct = caught / rounds, right / rounds
    return Leak(
        leak_bits=leak.alone,
        leak_interval=(0.0, 0.0) if nothing else interval_of_mean(alone, bits),
        leak_with_sum_bits=leak.with_sum,
        leak_with_sum_interval=(0.0, 0.0) if nothing else interval_of_mean(with_sum, bits),
        standing=Standing.SAMPLED,
        detected=detected,
        detected_interval=interval_of_probability(caught, rounds),
        sum_correct=correct,
        sum_correct_interval=interval_of_probability(right, rounds),
        meaning=meaning_of(leak, detected, correct, setting),
    )


def _smallest(setting: Setting) -> MaskTerms:
    """One mask from the shortest code that withstands K, with as many tests as digits."""
    degree = next(
        m
        for m in range(2, bch.LARGEST_DEGREE)
        if 2 * setting.withstood < (1 << m) - 1
        and bch.redundancy(m, setting.withstood) < (1 << m) - 1
    )
    words = 1 + bch.redundancy(degree, setting.withstood)
    return MaskTerms(
        workers=setting.workers,
        sum_bits=setting.word_bits,
        masks=1,
        epsilon=2.0 ** (-(setting.withstood + 1) / 2),
        withstood=setting.withstood,
        degree=degree,
        check=None,
        repeats=1,
        tests=words * setting.word_bits,
    )


def _told_of_mask(view: View, terms: MaskTerms, known: dict[int, NDArray[np.int64]]) -> Told:
    """Bits that a view tells on the last worker's mask, alone and with the sum of all masks."""
    top = 1 << terms.sum_bits
    tables = _tables(view, terms)
    law = np.zeros((top, top))  # of the mask and of the sum of all masks
    law[0, 0] = 1
    for word in np.flatnonzero(terms.taps):
        table = tables.get(int(word))
        if table is None:  # a perfect copy of each digit: the sum is known, and nothing else
            return Told(0.0, 0.0)
        law = _convolved(law, _of_last(table, {node: int(w[word]) for node, w in known.items()}))
    joint = law.T
    return Told(_information(joint.sum(axis=0, keepdims=True)), _information(joint))


def _tables(view: View, terms: MaskTerms) -> dict[int, Table]:
    """Probability of what each tampered word's copies showed, over all workers' words."""
    touched = {
        int(announced.coords[place]) for announced in view for place in announced.tampered.where
    }
    tables = {}
    for word in touched:
        table = np.ones((1 << terms.sum_bits,) * terms.workers)
        for announced in view:
            for place in np.flatnonzero(announced.coords == word):
                table = table * likelihood_of_copy(
                    announced, int(place), terms.workers, terms.sum_bits
                )
        tables[word] = table
    return tables


def _of_last(table: Table, known: dict[int, int]) -> Table:
    """Law of the last worker's word (rows) and of the sum of all words (columns)."""
    top = len(table)
    words = np.indices(table.shape).reshape(table.ndim, -1)
    weights = table.reshape(-1) * np.all(
        [np.ones(table.size, bool), *(words[node] == word for node, word in known.items())], axis=0
    )
    labels = words[-1] * top + words.sum(axis=0) % top
    law = np.bincount(labels, weights, minlength=top * top).reshape(top, top)
    return np.asarray(law / law.sum())


def _convolved(law: Table, other: Table) -> Table:
    """Law of sums mod 2^B, in both coordinates."""
    spectrum = np.fft.fft2(law) * np.fft.fft2(other)
    return np.asarray(np.maximum(np.fft.ifft2(spectrum).real, 0))


def _information(joint: Table) -> float:
    """Mean over rows of B less the entropy of what is left, in bits."""
    joint = joint / joint.sum()
    rows = joint.sum(axis=1, keepdims=True)
    ratio = np.divide(joint, rows, out=np.ones_like(joint), where=joint > 1e-15)
    return float(np.log2(joint.shape[1]) + (joint * np.log2(ratio)).sum())

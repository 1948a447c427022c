"""``wiretap``: see every channel, setup included, and disturb nothing that tests could notice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qring.network.adversary.aim import These
from qring.network.adversary.sources import PhaseRotation
from qring.security.leakage.attacks.attack import Attack, on_copies
from qring.security.leakage.classical import all_words, masked_words, ring_messages, told_by
from qring.security.leakage.ghz_family import Tampering
from qring.security.leakage.law import Copy
from qring.security.leakage.report import Leak, Setting, Told

__all__ = ["ATTACK"]


def _ring(setting: Setting, _rng: np.random.Generator) -> Leak:
    words = all_words(setting)
    leak = min(
        told_by(ring_messages(words, setting.word_bits, chunk, None), words, setting.word_bits)
        for chunk in range(setting.workers)
    )
    return Leak.exact(leak, 0.0, 1.0, "every message is a partial sum: all words are told")


def _superdense(setting: Setting, rng: np.random.Generator) -> Leak:
    """Wiretap of one who makes the pairs: she Bell-measures each qubit and sends it on."""
    found = _ring(setting, rng)
    meaning = "with pairs of her own she reads every coded qubit and sends it on: all is told"
    return replace(found, meaning=meaning)


def _masking(setting: Setting, rng: np.random.Generator) -> Leak:
    """The pads cross the wire too. What is told cannot depend on them: they only shift words."""
    words = all_words(setting)
    n, bits = setting.workers, setting.word_bits
    leaks = []
    for _ in range(8):
        pads = rng.integers(1 << bits, size=(n, n))
        masked = masked_words(words, bits, pads)
        total = np.sum(masked, axis=0) % (1 << bits)
        assert (total == words.sum(axis=0) % (1 << bits)).all()  # noqa: S101 - pads cancel
        leaks.append(told_by(masked, words, bits))
    return Leak.exact(min(leaks), 0.0, 1.0, "the pads were seen in setup: all words are told")


def _secagg(setting: Setting, _rng: np.random.Generator) -> Leak:
    """Masks come from public keys: the transcript fixes every word, if only to unlimited power."""
    return Leak.exact(
        Told(setting.word_bits, setting.word_bits),
        0.0,
        1.0,
        "to unlimited computing power the public keys tell all masks, and so all words (theorem 2);"
        " to anyone who cannot break X25519 and AES, nothing",
    )


ATTACK = Attack(
    name="wiretap",
    about="see every message of setup and sum; on quantum channels, act unseen where one can",
    against={
        "classical": _ring,
        "superdense": _superdense,
        "masking": _masking,
        "secagg": _secagg,
        **on_copies(
            Tampering(
                source=lambda _aim, _n: PhaseRotation(angle=0.0, aim=These(())),
                copies=lambda _: (Copy(),),
            )
        ),
    },
)

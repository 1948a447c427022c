"""``lying-node``: worker 0 tells the attacker all it sees, and lies where that serves."""

from __future__ import annotations

import os

import numpy as np

from qring.network.adversary.sources import PlusState
from qring.network.copies import Kind
from qring.security.leakage.attacks.attack import Attack, on_copies
from qring.security.leakage.classical import all_words, masked_words, ring_messages, told_by
from qring.security.leakage.ghz_family import Residues, Tampering
from qring.security.leakage.law import Copy
from qring.security.leakage.report import Leak, Setting, Told
from qring.security.secagg import shamir, steps
from qring.security.secagg.agreement import KEY_BYTES
from qring.security.secagg.masks import word_type
from qring.security.secagg.method import SecAgg
from qring.security.secagg.outcome import Reveal

__all__ = ["ATTACK"]


def _ring(setting: Setting, _rng: np.random.Generator) -> Leak:
    words = all_words(setting)
    leak = max(
        told_by(
            [words[0], *ring_messages(words, setting.word_bits, chunk, 0)],
            words,
            setting.word_bits,
        )
        for chunk in range(setting.workers)
    )
    return Leak.exact(
        leak, 0.0, 1.0, "worker 0 is handed its neighbour's own words of the neighbour's chunk"
    )


def _masking(setting: Setting, rng: np.random.Generator) -> Leak:
    """One worker knows its own pads only: those between the others still cover their words."""
    words, n, bits = all_words(setting), setting.workers, setting.word_bits
    top = 1 << bits
    pads = rng.integers(top, size=(n, n))
    shown = masked_words(words, bits, pads)
    # All pads between other workers are possible and equally likely: of their masked words, less
    # the pads shared with worker 0, the sum alone is certain.
    honest = np.sum(shown[1:], axis=0) + int(pads[0, 1:].sum())
    leak = told_by([words[0], honest % top], words, bits)
    meaning = "worker 0 knows its own pads only: it learns the sum of the others"
    if n == 2:
        meaning = "the sum tells each of two workers the other's word"
    return Leak.exact(leak, 0.0, 1.0, meaning)


def _secagg(setting: Setting, rng: np.random.Generator) -> Leak:
    """A server that tells some workers that the last one is present, and others that it is lost.

    Half of them reveal shares of its seed, the others shares of its key; with enough of both, its
    mask is off. Run with the protocol's own steps.
    """
    method = SecAgg(encoding=Residues(word_bits=setting.word_bits))
    terms = method.terms(setting.workers)
    n, t, victim = setting.workers, terms.threshold, setting.workers - 1
    if 2 * (t - 1) > n - 1:
        return Leak.exact(
            Told(0.0, 0.0),
            0.0,
            1.0,
            f"a server that lies gets shares of both kinds from at most {(n - 1) // 2 + 1} workers "
            f"each, fewer than the threshold {t}: nothing, to anyone who cannot break X25519",
        )
    secrets = {w: steps.draw(w, os.urandom) for w in range(n)}
    roster = {w: steps.advertise(own) for w, own in secrets.items()}
    shared = {w: steps.share(own, roster, t, os.urandom) for w, own in secrets.items()}
    word = int(rng.integers(1 << setting.word_bits))
    kind = word_type(setting.word_bits)
    sent = steps.mask(secrets[victim], roster, range(n), np.array([word], kind), setting.word_bits)

    def answer(worker: int, present: list[int]) -> Reveal:
        sealed = {owner: s.sealed[worker] for owner, s in shared.items() if owner != worker}
        return steps.unmask(secrets[worker], shared[worker], sealed, present, t)

    everybody, without = list(range(n)), list(range(n - 1))
    told_present = {w: answer(w, everybody) for w in (0, *range(1, t))}
    told_lost = {w: answer(w, without) for w in (0, *range(t, 2 * t - 1))}
    seed = shamir.combine({w + 1: r.seeds[victim] for w, r in told_present.items()})
    key = shamir.combine({w + 1: r.keys[victim] for w, r in told_lost.items()})
    stolen = steps.Secrets(
        worker=victim,
        channel=secrets[0].channel,  # not used by masks
        mask=type(secrets[0].mask)(key.to_bytes(KEY_BYTES, "big")),
        seed=seed.to_bytes(KEY_BYTES, "big"),
    )
    cover = steps.mask(stolen, roster, range(n), np.zeros(1, kind), setting.word_bits)
    found = (int(sent[0]) - int(cover[0])) % (1 << setting.word_bits)
    leak = float(setting.word_bits) if found == word else 0.0
    return Leak.exact(
        Told(leak, leak),
        0.0,
        1.0,
        "a server that lies about who dropped out takes a worker's mask off",
    )


ATTACK = Attack(
    name="lying-node",
    about="worker 0 tells the attacker all it sees, and lies where that serves",
    against={
        "classical": _ring,
        "superdense": _ring,
        "masking": _masking,
        "secagg": _secagg,
        **on_copies(
            Tampering(
                source=lambda aim, _: PlusState(aim=aim),
                copies=lambda _: (Copy(kind=Kind.PRODUCT),),
                nodes=frozenset({0}),
            )
        ),
    },
)

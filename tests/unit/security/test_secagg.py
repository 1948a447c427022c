"""Secure aggregation: its parts, and what it refuses."""

import os
import subprocess
import sys

import numpy as np
import pytest

import qring
from qring import FixedPoint, FloatBits, Integers

pytest.importorskip("cryptography")

from qring.security.secagg import shamir, steps
from qring.security.secagg.agreement import KeyPair, open_sealed, seal
from qring.security.secagg.masks import add_masks, word_type
from qring.security.secagg.method import SecAgg
from qring.security.secagg.outcome import Stage

WORDS = FixedPoint(word_bits=16, limit=1.0)


def zeros(count):
    return bytes(count)


def test_both_ends_agree_and_on_nothing_else():
    alice, bob, carol = (KeyPair(bytes([k]) * 32) for k in (1, 2, 3))
    key = alice.agree(bob.public, b"a")
    assert key == bob.agree(alice.public, b"a")
    others = {bob.agree(alice.public, b"b"), alice.agree(carol.public, b"a"),
              bob.agree(carol.public, b"a")}  # fmt: skip
    assert len(others | {key}) == 4


def test_agreements_that_are_looked_up_are_those_worked_out():
    agreed = {}
    alice, bob = KeyPair(bytes([1]) * 32, agreed), KeyPair(bytes([2]) * 32, agreed)
    looked_up = (alice.agree(bob.public, b"a"), bob.agree(alice.public, b"a"))
    assert set(looked_up) == {KeyPair(bytes([2]) * 32).agree(alice.public, b"a")}
    assert len(agreed) == 1


def test_what_was_sealed_opens_only_as_it_was_meant():
    key = bytes(range(32))
    sealed = seal(key, 1, 2, b"shares")
    assert len(sealed) == len(b"shares") + 16
    assert open_sealed(key, 1, 2, sealed) == b"shares"
    assert seal(key, 2, 1, b"shares")[:6] != sealed[:6]  # the way back has its own key stream
    for src, dst, message in [(2, 1, sealed), (1, 3, sealed), (1, 2, sealed[:-1] + b"?")]:
        with pytest.raises(qring.PeerError, match="were changed"):
            open_sealed(key, src, dst, message)


def test_masks_are_aes_256_in_counter_mode():
    # AES-256 of the zero block under the zero key: H in test case 13 of the GCM specification.
    words = np.zeros(4, np.uint32)
    add_masks(words, [bytes(32)], [], 32)
    assert words.tobytes().hex() == "dc95c078a2408989ad48a21492842087"


@pytest.mark.parametrize(("bits", "kind"), [(1, "u2"), (16, "u2"), (17, "u4"), (32, "u4"),
                                            (33, "u8"), (62, "u8")])  # fmt: skip
def test_long_masks_cancel_and_do_not_repeat(bits, kind):
    assert np.dtype(word_type(bits)) == kind
    words = (np.arange(400_001) % 2**bits).astype(word_type(bits))
    masked = words.copy()
    add_masks(masked, [b"a" * 32, b"b" * 32], [b"c" * 32], bits)
    assert int(masked.max()).bit_length() <= bits
    changes = 1 - 2.0**-bits  # how often, of uniform masks; 6 standard errors are 2e-9
    assert abs((masked != words).mean() - changes) < 6 * 0.5 / np.sqrt(len(words))
    per_chunk = (1 << 18) // words.itemsize
    moved = (masked - words) & words.dtype.type(2**bits - 1)
    same = (moved[:1000] == moved[per_chunk : per_chunk + 1000]).mean()
    assert abs(same - 2.0**-bits) < 6 * 0.5 / np.sqrt(1000)
    add_masks(masked, [b"c" * 32], [b"a" * 32, b"b" * 32], bits)
    assert (masked == words).all()


def test_shares_of_shares_that_cannot_be_are_refused():
    for points in ((0, 1), (1, 1), (-1, 2)):
        with pytest.raises(qring.InputError, match="positive and differ"):
            shamir.split(5, 2, points, zeros)
    for secret in (-1, shamir.PRIME):
        with pytest.raises(qring.InputError, match="in the field"):
            shamir.split(secret, 2, (1, 2), zeros)


def test_elements_outside_the_field_are_drawn_again():
    draws = iter([b"\xff" * 66, bytes(65) + b"\x07"])
    shares = shamir.split(1, 2, (1, 2), lambda _: next(draws))
    assert shares == {1: 8, 2: 15}


def everything(workers=4, threshold=3):
    secrets = {w: steps.draw(w, os.urandom) for w in range(workers)}
    roster = {w: steps.advertise(own) for w, own in secrets.items()}
    sharings = {w: steps.share(own, roster, threshold, os.urandom) for w, own in secrets.items()}
    return secrets, roster, sharings


def test_steps_refuse_what_an_honest_server_would_not_ask():
    secrets, roster, sharings = everything()
    to_me = {w: sharing.sealed[0] for w, sharing in sharings.items() if w != 0}
    for contributors in ((0, 1), (0, 1, 9)):
        with pytest.raises(qring.InputError, match="must not have"):
            steps.unmask(secrets[0], sharings[0], to_me, contributors, 3)
    with pytest.raises(qring.InputError, match="the same key"):
        steps.share(secrets[0], {**roster, 1: roster[2]}, 3, zeros)
    with pytest.raises(qring.InputError, match="on the roster"):
        steps.share(secrets[0], {0: roster[0]}, 3, zeros)
    with pytest.raises(qring.PeerError, match="worker 1 sealed for worker 0"):
        steps.unmask(secrets[0], sharings[0], {**to_me, 1: to_me[2]}, (0, 1, 2), 3)
    reveals = {0: steps.unmask(secrets[0], sharings[0], to_me, (0, 1, 2), 3)}
    with pytest.raises(qring.InputError, match="1 answers"):
        steps.recover(np.zeros(2, np.uint32), roster, (0, 1, 2), reveals, 3, 20)


def stolen(workers, threshold):
    """The secrets of worker 1 that the server, worker 0, uncovers by telling two stories."""
    secrets, _, sharings = everything(workers, threshold)
    everybody = tuple(range(workers))
    without = tuple(w for w in everybody if w != 1)
    uncovered = set()
    for told_lost in range(workers - 1):  # of the others but the victim, in order
        shares = {"seed": {}, "key": {}}
        for w in everybody:
            to_me = {src: sharings[src].sealed[w] for src in everybody if src != w}
            for story in (without, everybody):
                if w == 0 or (story == without) == (2 <= w < 2 + told_lost):
                    shown = steps.unmask(secrets[w], sharings[w], to_me, story, threshold)
                    kind, values = ("key", shown.keys) if 1 in shown.keys else ("seed", shown.seeds)
                    shares[kind][w + 1] = values[1]
        found = {kind for kind, those in shares.items() if len(those) >= threshold}
        for kind in found:
            value = shamir.combine(dict(list(shares[kind].items())[:threshold]))
            own = secrets[1].seed if kind == "seed" else secrets[1].mask.private
            assert value == int.from_bytes(own, "big")
        uncovered = max(uncovered, found, key=len)
    return uncovered


@pytest.mark.parametrize("workers", [4, 5, 6, 7, 8])
def test_one_lying_server_cannot_win_at_the_default_threshold(workers):
    terms = SecAgg(encoding=WORDS).terms(workers)
    assert terms.threshold == workers // 2 + 1 + workers % 2
    assert len(stolen(workers, terms.threshold)) == 1  # a word stays hidden by the other secret
    # One share fewer, and it would: "more than half" is not enough for odd n.
    assert stolen(workers, terms.threshold - 1) == {"seed", "key"}


def test_secrets_do_not_print():
    secrets, _, sharings = everything()
    assert secrets[0].seed.hex() not in repr(secrets[0])
    assert repr(secrets[0].seed) not in repr(secrets[0])
    assert str(sharings[0].own.seed) not in repr(sharings[0])


def test_no_two_runs_use_the_same_secrets_whatever_the_rng():
    rows = np.zeros((3, 2))
    runs = [
        qring.all_reduce(rows, method=SecAgg(encoding=WORDS), rng=np.random.default_rng(0))
        for _ in range(2)
    ]
    first, second = (run.transcript.revealed[0].seeds for run in runs)
    assert first.keys() == second.keys()
    assert all(first[owner] != second[owner] for owner in first)


@pytest.mark.parametrize(
    ("rows", "keywords", "message"),
    [
        (np.full((3, 2), np.nan), {}, "worker 0 holds nan at coordinate 0"),
        (np.full((3, 2), 2.0), {}, "reaches 2"),
        (np.zeros((2, 2)), {}, "at least 3 workers, not 2"),
        (np.zeros((1, 2)), {}, "at least 3 workers, not 1"),
        (np.zeros((5, 2)), {"threshold": 2}, "threshold of 2 cannot be: 5 workers allow 3..5"),
        (np.zeros((5, 2)), {"threshold": 6}, "threshold of 6 cannot be"),
        (np.zeros((5, 2)), {"server": 5}, "server 5 is not one of the workers 0..4"),
        (np.zeros((5, 2)), {"dropouts": {7: Stage.MASK}}, "worker 7 cannot drop out"),
        (np.zeros((3, 2)), {"encoding": FixedPoint(word_bits=62, limit=1.0)}, "at most 60 bits"),
        (np.zeros((3, 2)), {"encoding": Integers(word_bits=4)}, "cannot carry float64"),
    ],
)
def test_what_cannot_be_summed_is_refused(rows, keywords, message):
    method = SecAgg(**{"encoding": WORDS, **keywords})
    with pytest.raises(qring.InputError, match=message):
        qring.all_reduce(rows, method=method)


def test_float_bits_cannot_be_masked():
    with pytest.raises(
        qring.InputError, match="encoding of secagg got FloatBits.*use an encoding of words"
    ):
        SecAgg(encoding=FloatBits())


def test_methods_are_values_whose_secrets_come_from_the_system():
    method = SecAgg(encoding=WORDS, threshold=3, dropouts={1: Stage.MASK})
    assert method == SecAgg(encoding=WORDS, threshold=3, dropouts={1: Stage.MASK})
    assert method.source is os.urandom


def test_nothing_is_imported_before_it_is_needed_and_a_missing_package_is_named():
    code = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "cryptography":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import numpy as np, qring
from qring.security.secagg.method import SecAgg
method = SecAgg(encoding=qring.FixedPoint(word_bits=8, limit=1.0))
try:
    qring.all_reduce(np.zeros((3, 2)), method=method)
except qring.MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = "secure aggregation needs the extra [secagg]: pip install 'qring[secagg]'"
    assert done.stdout.strip() == expected

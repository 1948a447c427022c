"""Test vectors of the message format, and a second implementation written from its text alone."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

import qring
from qring import Neighbours

pytest.importorskip("cryptography")

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from qring.security.secagg.messages.client import Client, Rules
from qring.security.secagg.messages.identity import Identity
from qring.security.secagg.messages.offer import Offer
from qring.security.secagg.messages.server import Server
from qring.security.secagg.messages.state import restore, save

VECTORS = Path(__file__).parents[3] / "docs" / "vectors" / "secagg-1.json"
P = 2**521 - 1


class Other:
    """A client after docs/guides/secagg-format.md; uses nothing of qring."""

    def __init__(self, member, private, directory, draw, words, after_round, model):
        self.member, self.directory, self.draw = member, directory, draw
        self.sign = Ed25519PrivateKey.from_private_bytes(private).sign if private else None
        self.words, self.after, self.model = words, after_round, model
        self.turns = [1, 3, 5, 7, 9] if private else [1, 3, 5, 7]

    def need(self, truth):
        if not truth:
            self.turns = []
            raise ValueError("refused")

    def receive(self, message):
        self.need(self.turns)
        turn, self.turns = self.turns[0], self.turns[1:]
        body, _ = self.open(message, turn, signed=False)
        return {1: self.offered, 3: self.listed, 5: self.delivered, 7: self.told, 9: self.agreed}[
            turn
        ](body, message)

    def open(self, message, kind, signed):
        self.need(message[:6] == b"QRSA\x01" + bytes([kind]))
        self.need(message[6:38] == (bytes(32) if kind == 1 else self.session))
        size = int.from_bytes(message[42:50], "big")
        self.need(len(message) == 50 + size + 64 * signed)
        sender = int.from_bytes(message[38:42], "big")
        if signed:
            self.need(sender < self.n and self.members[sender] in self.directory)
            key = Ed25519PublicKey.from_public_bytes(self.directory[self.members[sender]])
            try:
                key.verify(message[50 + size :], message[: 50 + size])
            except InvalidSignature:
                self.need(False)
        return message[50 : 50 + size], sender

    def close(self, kind, body):
        head = b"QRSA\x01" + bytes([kind]) + self.session
        message = head + struct.pack(">IQ", self.me, len(body)) + body
        return message + (self.sign(message) if self.sign and kind in (2, 8) else b"")

    def offered(self, body, message):
        self.need(len(body) >= 114)
        _, number, model, seed, degree, t, fewest, bits, signed, count, n = struct.unpack(
            ">16sQ32s32sIIIBBQI", body[:114]
        )
        self.need(len(body) == 114 + 8 * n and signed == bool(self.sign) and number > self.after)
        self.need(
            fewest >= 3 and 2 * t > degree + 2 and (self.model is None or model == self.model)
        )
        self.members = struct.unpack(f">{n}Q", body[114:])
        self.need(self.member in self.members and len(set(self.members)) == n)
        self.n, self.t, self.fewest, self.bits, self.count = n, t, fewest, bits, count
        self.me, self.degree = self.members.index(self.member), degree
        self.circle = sorted(
            range(n), key=lambda w: hashlib.sha256(seed + struct.pack(">I", w)).digest()
        )
        at = self.circle.index(self.me)
        self.near = set(range(n)) - {self.me}
        if degree < n - 1:
            ways = [k for k in range(-degree // 2, degree // 2 + 1) if k]
            self.near = {self.circle[(at + k) % n] for k in ways}
        self.session = hashlib.sha256(message).digest()
        self.channel, self.mask = (X25519PrivateKey.from_private_bytes(self.draw(32)) for _ in "ab")
        self.seed = self.draw(32)
        self.public = [k.public_key().public_bytes_raw() for k in (self.channel, self.mask)]
        return self.close(2, b"".join(self.public))

    def agree(self, kind, other):
        info = [b"qring secagg channel", b"qring secagg mask"][kind] + self.session
        info += min(self.public[kind], other) + max(self.public[kind], other)
        try:
            secret = [self.channel, self.mask][kind].exchange(
                X25519PublicKey.from_public_bytes(other)
            )
        except ValueError:
            self.need(False)
        return HKDF(hashes.SHA256(), 32, None, info).derive(secret)

    def listed(self, body, _):
        size = 50 + 64 + 64 * bool(self.sign)
        self.need(len(body) % size == 0)
        self.roster = {}
        for k in range(0, len(body), size):
            keys, sender = self.open(body[k : k + size], 2, bool(self.sign))
            self.need(sender in self.near and sender not in self.roster and len(keys) == 64)
            self.roster[sender] = keys[:32], keys[32:]
        keys = [key for pair in self.roster.values() for key in pair] + self.public
        self.need(len(self.roster) + 1 >= self.t and len(set(keys)) == len(keys))
        private = self.mask.private_bytes_raw()
        shares = []
        for secret in (self.seed, private):
            terms = [int.from_bytes(secret, "big")]
            terms += [int.from_bytes(self.draw(66), "big") & P for _ in range(self.t - 1)]
            shares.append(lambda w, c=terms: sum(a * (w + 1) ** k for k, a in enumerate(c)) % P)
        self.held = {self.me: [share(self.me) for share in shares]}
        out = b""
        for w in sorted(self.roster):
            plain = b"".join(share(w).to_bytes(66, "big") for share in shares)
            names = struct.pack(">II", self.me, w)
            nonce = int(self.me > w).to_bytes(12, "big")
            cipher = AESGCM(self.agree(0, self.roster[w][0]))
            out += struct.pack(">I", w) + cipher.encrypt(nonce, plain, names)
        return self.close(4, out)

    def delivered(self, body, _):
        self.need(len(body) % 152 == 0)
        for k in range(0, len(body), 152):
            w = int.from_bytes(body[k : k + 4], "big")
            self.need(w in self.roster and w not in self.held)
            nonce, names = int(w > self.me).to_bytes(12, "big"), struct.pack(">II", w, self.me)
            cipher = AESGCM(self.agree(0, self.roster[w][0]))
            try:
                plain = cipher.decrypt(nonce, body[k + 4 : k + 152], names)
            except InvalidTag:
                self.need(False)
            self.held[w] = [int.from_bytes(plain[:66], "big"), int.from_bytes(plain[66:], "big")]
        self.need(len(self.held) >= self.t)
        words = [
            int(word) + part for word, part in zip(self.words, self.stream(self.seed), strict=True)
        ]
        for w in self.held.keys() - {self.me}:
            sign = 1 if self.me < w else -1
            stream = self.stream(self.agree(1, self.roster[w][1]))
            words = [word + sign * part for word, part in zip(words, stream, strict=True)]
        text = "".join(f"{word % 2**self.bits:0{self.bits}b}" for word in words)
        text += "0" * (-len(text) % 8)
        return self.close(6, int(text, 2).to_bytes(len(text) // 8, "big"))

    def stream(self, key):
        size = 2 if self.bits <= 16 else 4 if self.bits <= 32 else 8
        made = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
        made = made.update(bytes(size * self.count))
        return [
            int.from_bytes(made[k : k + size], "little") % 2**self.bits
            for k in range(0, len(made), size)
        ]

    def told(self, body, _):
        self.need(len(body) == -(-self.n // 8))
        flags = [body[w // 8] >> (7 - w % 8) & 1 for w in range(8 * len(body))]
        self.alive = {w for w, flag in enumerate(flags) if flag}
        self.need(self.me in self.alive and len(self.alive) >= self.fewest)
        self.need(max(self.alive) < self.n)
        here = self.alive & (self.near | {self.me})
        self.need(here <= self.held.keys() and len(here) >= self.t)
        if self.degree < self.n - 1:
            order = "".join("01"[w in self.alive] for w in self.circle)
            start = order.index("1")
            order = order[start:] + order[:start]
            self.need(sum(len(gap) >= self.degree // 2 for gap in order.split("1")[1:]) < 2)
        if not self.sign:
            return self.reveal()
        self.digest = hashlib.sha256(body).digest()
        return self.close(8, self.digest)

    def agreed(self, body, _):
        self.need(len(body) % 146 == 0)
        who = {self.me}
        for k in range(0, len(body), 146):
            said, sender = self.open(body[k : k + 146], 8, True)
            self.need(sender in self.near and said == self.digest)
            who.add(sender)
        self.need(len(who) >= self.t)
        return self.reveal()

    def reveal(self):
        out = b""
        for w in sorted(self.held):
            lost = w not in self.alive
            out += struct.pack(">IB", w, lost) + self.held[w][lost].to_bytes(66, "big")
        return self.close(10, out)


def stream(seed):
    """Bytes that the vectors name: SHAKE-256 of the seed and a counter."""
    count = 0

    def draw(size):
        nonlocal count
        count += 1
        return hashlib.shake_256(seed + count.to_bytes(4, "big")).digest(size)

    return draw


def play(case, make):
    """Every message of a sum in order, as (worker, message in, answer out), and the sum."""
    offer = Offer.unpack(bytes.fromhex(case["offer"]))
    directory = {int(m): bytes.fromhex(key) for m, key in case["directory"].items()}
    server = Server(offer, directory or None)
    clients = [make(case, k) for k in range(len(offer.members))]
    outbox, told, stage = dict.fromkeys(range(len(clients)), offer.packed), [], 0
    while outbox:
        for worker, message in outbox.items():
            if case["lost"].get(str(worker), 9) <= stage:
                continue
            answer = clients[worker].receive(message)
            if stage == 1 and isinstance(clients[worker], Client):
                clients[worker].contribute(np.array(case["words"][worker], np.uint64))
            told.append((worker, message, answer))
            server.receive(answer)
        outbox, stage = server.close(), stage + 1
    assert server.ended is None
    return told, server.total.tolist()


def ours(case, worker):
    who = case["clients"][worker]
    private = bytes.fromhex(who["identity"])
    directory = {int(m): bytes.fromhex(key) for m, key in case["directory"].items()}
    return Client(
        who["member"],
        identity=Identity(private) if private else None,
        directory=directory if private else None,
        rules=Rules(after_round=case["after_round"], model=bytes.fromhex(case["model"])),
        source=stream(bytes.fromhex(who["seed"])),
    )


def theirs(case, worker):
    who = case["clients"][worker]
    directory = {int(m): bytes.fromhex(key) for m, key in case["directory"].items()}
    return Other(
        who["member"], bytes.fromhex(who["identity"]), directory,
        stream(bytes.fromhex(who["seed"])), case["words"][worker], case["after_round"],
        bytes.fromhex(case["model"]),
    )  # fmt: skip


def new_case(name, workers, words, bits, signed, lost, neighbours=None):
    rng = np.random.default_rng(len(name))
    identities = [Identity(rng.bytes(32)) for _ in range(workers)]
    members = tuple(int(m) for m in rng.permutation(10 * workers)[:workers])
    model = hashlib.sha256(b"a model").digest()
    terms = {"fewest": 3} if neighbours is None else {}
    offer = Offer.among(
        members, neighbours, nonce=rng.bytes(16), round=4, words=words, sum_bits=bits,
        signed=signed, model=model, seed=rng.bytes(32), **terms,
    )  # fmt: skip
    return {
        "name": name, "offer": offer.packed.hex(), "after_round": 3, "model": model.hex(),
        "directory": {str(m): i.public.hex() for m, i in zip(members, identities, strict=True)}
        if signed else {},
        "clients": [
            {"member": m, "identity": i.private.hex() if signed else "", "seed": rng.bytes(8).hex()}
            for m, i in zip(members, identities, strict=True)
        ],
        "words": rng.integers(0, 2**bits // workers, (workers, words)).tolist(),
        "lost": {str(w): stage for w, stage in lost.items()},
    }  # fmt: skip


def changed(message, at, by=1):
    body = bytearray(message)
    body[at] ^= by
    return bytes(body)


def bad_messages(told, case):
    """Each way a message can be wrong, as (why, worker, good messages before, message)."""
    worker = 1
    seen = [(message, answer) for w, message, answer in told if w == worker]
    offer, roster, delivery, survivors, consents = (message for message, _ in seen)
    entry, fixed = 178, struct.Struct(">16sQ32s32sIIIBBQI")

    def other_terms(**terms):
        names = ["nonce", "round", "model", "seed", "degree", "threshold", "fewest", "sum_bits",
                 "signed", "words", "count"]  # fmt: skip
        values = dict(zip(names, fixed.unpack_from(offer, 50), strict=True)) | terms
        return offer[:50] + fixed.pack(*values.values()) + offer[50 + fixed.size :]

    def resized(message, body):
        return message[:42] + struct.pack(">Q", len(body)) + body

    def parts(message, size):
        return [message[k : k + size] for k in range(50, len(message), size)]

    yield "another magic", 0, changed(offer, 0)
    yield "another version", 0, changed(offer, 4)
    yield "cut short", 0, offer[:-1]
    yield "too long", 0, offer + b"\0"
    yield "empty", 0, b""
    yield "not the kind that is due", 0, roster
    yield "a threshold that one liar defeats", 0, other_terms(threshold=3)
    yield "fewest of two", 0, other_terms(fewest=2)
    yield "a round already done", 0, other_terms(round=3)
    yield "another model", 0, other_terms(model=bytes(32))
    yield "signatures left out", 0, other_terms(signed=0)
    yield "a count that does not fit", 0, other_terms(count=9)
    yield "offered to others", 0, changed(offer, 50 + fixed.size + 8 * worker + 7, 64)
    adverts = parts(roster, entry)
    yield "roster of another session", 1, changed(roster, 10)
    yield "a key exchanged on the way", 1, changed(roster, 50 + 50)
    yield "an advertisement of another session", 1, changed(roster, 50 + 10)
    yield (
        "a signature of somebody else",
        1,
        resized(roster, adverts[0][:-64] + adverts[1][-64:] + b"".join(adverts[1:])),
    )
    yield "a neighbour twice", 1, resized(roster, adverts[0] * 2 + b"".join(adverts[1:]))
    yield "a sender that is no worker", 1, changed(roster, 50 + 38)
    yield "too few neighbours", 1, resized(roster, b"".join(adverts[:1]))
    yield "half an advertisement", 1, resized(roster, b"".join(adverts)[:-70])
    shares = parts(delivery, 152)
    yield "a share changed", 2, changed(delivery, 50 + 20)
    yield (
        "two owners exchanged",
        2,
        resized(
            delivery,
            shares[0][:4] + shares[1][4:] + shares[1][:4] + shares[0][4:] + b"".join(shares[2:]),
        ),
    )
    yield "an owner twice", 2, resized(delivery, shares[0] * 2)
    yield "too few shares", 2, resized(delivery, shares[0])
    yield "the roster again", 2, roster
    yield "survivors without the client", 3, changed(survivors, 50, 0x40)
    yield "survivors that are no workers", 3, changed(survivors, 50, 0x01)
    yield "a lost worker said to survive", 3, changed(survivors, 50, 0x08)
    yield "too few survivors", 3, resized(survivors, b"\xc0")
    yield "survivors in two bytes", 3, resized(survivors, survivors[50:] + b"\0")
    agreed = parts(consents, 146)
    yield "a consent to other survivors", 4, changed(consents, 50 + 52)
    yield "a consent that nobody signed", 4, changed(consents, 50 + 100)
    yield "too few consents", 4, resized(consents, agreed[0])
    yield "one consent, repeated", 4, resized(consents, agreed[0] * 3)
    yield "the survivors once more", 4, survivors
    yield "asked twice", 5, consents


def build():
    """Write the vectors anew; only for a new version of the format."""
    cases = [
        new_case("five, signed, one never shares, one lost before masking", 6, 7, 20, True,
                 {4: 1, 2: 2}),
        new_case("unsigned, wide words", 4, 5, 40, False, {3: 2}),
        new_case("narrow words, nobody lost", 3, 11, 11, True, {}),
        new_case("a sparse circle", 24, 3, 17, True, {5: 2},
                 Neighbours(dropout=0.05, corruption=0.01, failure=0.01, abort=0.01)),
    ]  # fmt: skip
    for case in cases:
        told, total = play(case, ours)
        case["total"] = total
        case["answers"] = [[w, hashlib.sha256(m).hexdigest(), a.hex()] for w, m, a in told]
        if len(case["clients"]) > 6:  # long: digests will do
            case["answers"] = [[w, m, hashlib.sha256(bytes.fromhex(a)).hexdigest()]
                               for w, m, a in case["answers"]]  # fmt: skip
    told, _ = play(cases[0], ours)
    bad = [
        {"why": why, "before": [m.hex() for w, m, _ in told if w == 1][:good], "message": m.hex()}
        for why, good, m in bad_messages(told, cases[0])
    ]
    VECTORS.write_text(json.dumps({"format": 1, "good": cases, "bad": bad}, indent=1) + "\n")


LOADED = json.loads(VECTORS.read_text()) if VECTORS.exists() else {"good": [], "bad": []}


@pytest.mark.parametrize("make", [ours, theirs])
@pytest.mark.parametrize("case", LOADED["good"], ids=lambda case: case["name"])
def test_good_vectors_are_met_byte_for_byte(case, make):
    told, total = play(case, make)
    plain = np.array(case["words"])
    gone = {int(w) for w, stage in case["lost"].items() if stage <= 2}
    kept = [w for w in range(len(plain)) if w not in gone]
    assert total == case["total"] == plain[kept].sum(axis=0).tolist()
    for (worker, message, answer), (who, digest, expected) in zip(
        told, case["answers"], strict=True
    ):
        assert worker == who
        assert hashlib.sha256(message).hexdigest() == digest
        assert expected in (answer.hex(), hashlib.sha256(answer).hexdigest())


@pytest.mark.parametrize("make", [ours, theirs])
@pytest.mark.parametrize("bad", LOADED["bad"], ids=lambda bad: bad["why"])
def test_bad_vectors_are_refused_and_nothing_is_answered_after(bad, make):
    case = LOADED["good"][0]
    client = make(case, 1)
    for k, message in enumerate(bad["before"]):
        client.receive(bytes.fromhex(message))
        if k == 1 and isinstance(client, Client):
            client.contribute(np.array(case["words"][1], np.uint64))
    with pytest.raises((qring.PeerError, ValueError)) as caught:
        client.receive(bytes.fromhex(bad["message"]))
    if make is ours:
        assert isinstance(caught.value, qring.PeerError)
        for message in bad["before"]:
            with pytest.raises(qring.PeerError, match="answers nothing more"):
                client.receive(bytes.fromhex(message))


def test_there_are_vectors_of_every_refusal():
    assert len(LOADED["good"]) == 4
    assert len(LOADED["bad"]) >= 35


def test_clients_that_are_saved_between_messages_answer_alike():
    case = LOADED["good"][0]
    client = ours(case, 1)
    seen = [(bytes.fromhex(m)) for m in LOADED["bad"][-1]["before"]]
    for k, message in enumerate(seen):
        again = restore(
            save(client), identity=client.identity, directory=client.directory, rules=client.rules
        )
        if k > 1:  # its randomness is drawn by then
            again.contribute(np.array(case["words"][1], np.uint64))
            client.contribute(np.array(case["words"][1], np.uint64))
            assert again.receive(message) == client.receive(message)
        else:
            client.receive(message)
    with pytest.raises(qring.InputError, match="no state of a client"):
        restore(b"QRSC2" + bytes(400))
    with pytest.raises(qring.InputError, match="ends too early"):
        restore(save(client)[:400])

"""A server that lies, each way it can, against clients that sign; and clients that misbehave."""

import dataclasses
import hashlib
import itertools
import os

import numpy as np
import pytest

import qring
from qring import Neighbours

pytest.importorskip("cryptography")

from qring.security.secagg.messages.client import Client, Rules
from qring.security.secagg.messages.frames import SERVER, Kind, pack, unpack
from qring.security.secagg.messages.identity import Identity
from qring.security.secagg.messages.offer import Offer
from qring.security.secagg.messages.server import Server
from qring.security.secagg.outcome import Reason

N, WORDS = 6, 4


def parties(workers=N, **terms):
    identities = {100 + k: Identity.fresh() for k in range(workers)}
    directory = {member: who.public for member, who in identities.items()}
    settings = {"round": 1, "words": WORDS, "sum_bits": 16, "signed": True, **terms}
    offer = Offer.among(tuple(identities), nonce=os.urandom(16), **settings)
    clients = [Client(m, identity=who, directory=directory) for m, who in identities.items()]
    return offer, clients, Server(offer, directory)


def until(stage, offer, clients, server, lost=()):
    """Play honestly until ``stage`` messages have been answered; return the next ones."""
    outbox = dict.fromkeys(range(len(clients)), offer.packed)
    for step in range(stage):
        for worker, message in outbox.items():
            if worker in lost and step >= 2:
                continue
            answer = clients[worker].receive(message)
            if step == 1:
                clients[worker].contribute(np.full(WORDS, worker, np.uint16))
            server.receive(answer)
        outbox = server.close()
    return outbox


def told(offer, alive):
    flags = np.zeros(len(offer.members), np.uint8)
    flags[list(alive)] = 1
    return pack(Kind.SURVIVORS, offer.session, SERVER, np.packbits(flags).tobytes())


def test_honest_play_gives_the_sum_of_those_that_stayed():
    offer, clients, server = parties()
    assert until(5, offer, clients, server, lost={3}) == {}
    assert server.contributors == (0, 1, 2, 4, 5)
    assert server.total.tolist() == [12] * WORDS


@pytest.mark.parametrize("split", range(1, 5))
def test_two_stories_about_who_survived_are_found_before_anything_is_revealed(split):
    offer, clients, server = parties()
    until(3, offer, clients, server)
    stories = [told(offer, range(N)), told(offer, [w for w in range(N) if w != 5])]
    consents = {
        w: clients[w].receive(stories[w >= split]) for w in range(5)
    }  # worker 5 itself would not agree that it is lost
    consents[5] = clients[5].receive(stories[0])
    refused = 0
    for w in range(N):
        around = b"".join(consents[o] for o in range(N) if o != w)
        mine = b"".join(
            consents[o] for o in range(N) if o != w and consents[o][50:82] == consents[w][50:82]
        )
        everything = pack(Kind.CONSENTS, offer.session, SERVER, around)
        only_mine = pack(Kind.CONSENTS, offer.session, SERVER, mine)
        with pytest.raises(qring.PeerError, match="told of other survivors: the server lies"):
            _copy_of(clients[w]).receive(everything)
        try:
            clients[w].receive(only_mine)
        except qring.PeerError:
            refused += 1
    same = [sum(c[50:82] == own[50:82] for c in consents.values()) for own in consents.values()]
    assert refused == sum(count < offer.threshold for count in same)
    # Only one story can have found a threshold: no two classes of clients both went on.
    went_on = {own[50:82] for own, count in zip(consents.values(), same, strict=True)
               if count >= offer.threshold}  # fmt: skip
    assert len(went_on) <= 1


def _copy_of(client):
    from qring.security.secagg.messages.state import restore, save

    return restore(save(client), identity=client.identity, directory=client.directory)


def test_models_that_differ_between_clients_are_found_by_the_clients():
    ours, other = (hashlib.sha256(text).digest() for text in (b"model", b"another"))
    offer, clients, server = parties(model=ours)
    clients[2].rules = Rules(model=other)  # what it was really given
    with pytest.raises(qring.PeerError, match="clients were given different models"):
        clients[2].receive(offer.packed)
    # A server that also changes the offer for its victim makes another session of it.
    offer, clients, server = parties(model=ours)
    for_victim = dataclasses.replace(offer, model=other)
    clients[2].rules = Rules(model=other)
    adverts = {w: clients[w].receive((for_victim if w == 2 else offer).packed) for w in range(N)}
    roster = b"".join(adverts[w] for w in range(N) if w != 2)
    with pytest.raises(qring.PeerError, match="rounds are mixed"):
        clients[2].receive(pack(Kind.ROSTER, for_victim.session, SERVER, roster))
    with pytest.raises(qring.PeerError, match="rounds are mixed"):
        server.receive(adverts[2])


def test_a_round_is_not_played_twice():
    offer, clients, server = parties(round=7)
    until(5, offer, clients, server)
    again = Client(100, identity=clients[0].identity, directory=clients[0].directory,
                   rules=Rules(after_round=7))  # fmt: skip
    with pytest.raises(qring.PeerError, match="it is replayed"):
        again.receive(offer.packed)
    for message in clients[0].received.values():
        with pytest.raises(qring.PeerError, match="answers nothing more"):
            clients[0].receive(message)
    # Keys of an earlier round, replayed into a later one.
    later, fresh, _ = parties(round=8)
    fresh[1].receive(later.packed)
    old = clients[1].received[Kind.ROSTER]
    with pytest.raises(qring.PeerError, match="rounds are mixed"):
        fresh[1].receive(old)
    fresh[2].receive(later.packed)
    dressed = pack(Kind.ROSTER, later.session, SERVER, unpack(old, Kind.ROSTER).body)
    with pytest.raises(qring.PeerError, match="rounds are mixed"):
        fresh[2].receive(dressed)


def test_a_key_that_the_server_puts_in_place_of_a_clients_is_found():
    offer, clients, _ = parties()
    adverts = {w: clients[w].receive(offer.packed) for w in range(N)}
    impostor = Client(101, identity=Identity.fresh(), directory=clients[0].directory)
    forged = impostor.receive(offer.packed)
    body = b"".join(forged if w == 1 else adverts[w] for w in range(1, N))
    with pytest.raises(qring.PeerError, match="in the name of member 101 is not signed by it"):
        clients[0].receive(pack(Kind.ROSTER, offer.session, SERVER, body))


def test_members_the_directory_does_not_know_are_refused():
    offer, clients, _ = parties()
    adverts = {w: clients[w].receive(offer.packed) for w in range(N)}
    clients[0].directory = {m: key for m, key in clients[0].directory.items() if m != 103}
    body = b"".join(adverts[w] for w in range(1, N))
    with pytest.raises(qring.PeerError, match="member 103 is not in the directory"):
        clients[0].receive(pack(Kind.ROSTER, offer.session, SERVER, body))


def test_keys_of_low_order_are_refused():
    offer, clients, _ = parties(signed=False)
    clients = [Client(100 + w) for w in range(N)]
    adverts = {w: clients[w].receive(offer.packed) for w in range(N)}
    weak = pack(Kind.ADVERTISE, offer.session, 1, bytes(32) + bytes([1]) + bytes(31))
    body = b"".join(weak if w == 1 else adverts[w] for w in range(1, N))
    with pytest.raises(qring.PeerError, match="low order"):
        clients[0].receive(pack(Kind.ROSTER, offer.session, SERVER, body))


@pytest.mark.parametrize("withstands", [1, 2, 3])
def test_no_partition_of_stories_shows_both_shares_of_anybody(withstands):
    # Every split of the honest clients over two stories, with the server's friends in both.
    holders = 9
    threshold = (holders + withstands) // 2 + 1
    friends = range(withstands)
    for told_lost in itertools.product((False, True), repeat=holders - withstands):
        lost = sum(told_lost) + len(friends)
        alive = holders - withstands - sum(told_lost) + len(friends)
        assert not (lost >= threshold and alive >= threshold)


def test_a_client_withstands_as_many_as_it_is_told_to():
    offer, clients, _ = parties()  # threshold 4 of 6
    clients[0].rules = Rules(withstands=2)
    with pytest.raises(qring.PeerError, match="threshold of 4 of 6 holders is too low"):
        clients[0].receive(offer.packed)
    clients[1].rules = Rules(withstands=1, fewest=5)
    with pytest.raises(qring.PeerError, match="a sum of 4 is offered; at least 5 must be"):
        clients[1].receive(offer.packed)


def test_a_server_that_silences_clients_to_cut_the_graph_is_refused():
    rates = Neighbours(dropout=0.05, corruption=0.01, failure=0.01, abort=0.01)
    offer, clients, server = parties(24, neighbours=rates, fewest=3)
    until(3, offer, clients, server)
    circle, half = offer.graph._circle, offer.degree // 2
    silenced = {circle[k % 24] for start in (0, 12) for k in range(start, start + half)}
    middle = circle[(half + 12) // 2]
    alive = set(range(24)) - silenced
    assert len(alive) >= 4
    with pytest.raises(qring.PeerError, match="cut in two|holders survive here"):
        clients[middle].receive(told(offer, alive))


def test_the_server_refuses_what_clients_must_not_send_and_goes_on_without_them():
    offer, clients, server = parties()
    first = clients[0].receive(offer.packed)
    server.receive(first)
    with pytest.raises(qring.PeerError, match="has answered already"):
        server.receive(first)
    forged = pack(Kind.ADVERTISE, offer.session, 1, unpack(first, Kind.ADVERTISE, signed=True).body,
                  clients[0].identity)  # fmt: skip
    with pytest.raises(qring.PeerError, match="in the name of member 101"):
        server.receive(forged)
    with pytest.raises(qring.PeerError, match="is not waited for"):
        server.receive(pack(Kind.ADVERTISE, offer.session, 77, bytes(64), clients[0].identity))
    for w in range(1, N):
        server.receive(clients[w].receive(offer.packed))
    outbox = server.close()
    shares = {w: clients[w].receive(message) for w, message in outbox.items()}
    body = unpack(shares[0], Kind.SHARES).body
    for wrong in (body[:-152], body + body[:152], body[:-1]):
        with pytest.raises(qring.PeerError):
            server.receive(pack(Kind.SHARES, offer.session, 0, wrong))
    for message in shares.values():
        server.receive(message)
    outbox = server.close()
    for w, message in outbox.items():
        clients[w].contribute(np.full(WORDS, w, np.uint16))
        answer = clients[w].receive(message)
        if w == 0:
            with pytest.raises(qring.PeerError, match="masked 3 bytes; 8 are due"):
                server.receive(pack(Kind.MASKED, offer.session, 0, b"abc"))
            continue  # and is lost
        server.receive(answer)
    outbox = server.close()
    other = {w: clients[w].receive(message) for w, message in outbox.items()}
    with pytest.raises(qring.PeerError, match="consents to other survivors"):
        server.receive(pack(Kind.CONSENT, offer.session, 1, bytes(32), clients[1].identity))
    for message in other.values():
        server.receive(message)
    outbox = server.close()
    reveals = {w: clients[w].receive(message) for w, message in outbox.items()}
    body = unpack(reveals[1], Kind.REVEAL).body
    for wrong, why in (
        (body[:4] + b"\0" + body[5:], "the wrong share of worker 0"),
        (body[71:], "one share of each neighbour"),
    ):
        with pytest.raises(qring.PeerError, match=why):
            server.receive(pack(Kind.REVEAL, offer.session, 1, wrong))
    for message in reveals.values():
        server.receive(message)
    assert server.close() == {}
    assert server.total.tolist() == [15] * WORDS
    with pytest.raises(qring.PeerError, match="over"):
        server.receive(reveals[1])


@pytest.mark.parametrize("stage", range(5))
def test_sums_with_too_few_left_end_with_a_reason(stage):
    offer, clients, server = parties()
    outbox = until(stage, offer, clients, server)
    for worker in (0, 1, 2):
        if stage == 2:
            clients[worker].contribute(np.zeros(WORDS, np.uint16))
        server.receive(clients[worker].receive(outbox[worker]))
    assert server.close() == {}
    assert server.ended is (Reason.TOO_FEW if stage < 4 else Reason.NEIGHBOURS)
    assert server.due is None


def test_words_and_offers_that_cannot_be_are_refused_in_one_line():
    offer, clients, _ = parties()
    with pytest.raises(qring.InputError, match="there is no offer yet"):
        clients[0].contribute(np.zeros(WORDS, np.uint16))
    clients[0].receive(offer.packed)
    with pytest.raises(qring.InputError, match="4 unsigned words were offered"):
        clients[0].contribute(np.zeros(WORDS))
    with pytest.raises(qring.InputError, match="exceeds 16 bits"):
        clients[0].contribute(np.full(WORDS, 1 << 16, np.uint32))
    for wrong, why in (
        ({"nonce": b""}, "nonce has 0 bytes"), ({"members": (1, 1, 2)}, "all different"),
        ({"degree": 3, "threshold": 3}, "a degree of 3 is odd"), ({"sum_bits": 63}, "sum_bits"),
        ({"threshold": 9}, "threshold must be"), ({"fewest": 2}, "fewest must be"),
    ):  # fmt: skip
        with pytest.raises(qring.InputError, match=why):
            dataclasses.replace(offer, **wrong)
    with pytest.raises(qring.InputError, match="signatures take both"):
        Client(1, identity=Identity.fresh())
    with pytest.raises(qring.InputError, match="has 32 bytes, not 3"):
        Identity(b"abc")
    assert clients[0].identity.private.hex() not in repr(clients[0].identity)

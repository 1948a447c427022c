"""What must hold for secure aggregation: exact sums, whoever drops out, and nothing but sums."""

import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qring
from qring import FixedPoint, Integers, OnDropout, Superdense

pytest.importorskip("cryptography")

from qring.ledger import Carrier, Ledger, Phase
from qring.security.secagg import shamir, steps
from qring.security.secagg.masks import add_masks, word_type
from qring.security.secagg.method import SecAgg
from qring.security.secagg.outcome import Reason, SecAggAborted, SecAggAggregate, Stage

PUBLIC_KEYS, SHARE, SEALED = 512, 528, 2 * 528 + 128  # bits
ORDER = list(Stage)


def source(seed):
    """Bytes that repeat, for transcripts that can be replayed."""
    counter = itertools.count()

    def give(count):
        return hashlib.shake_256(b"%d %d" % (seed, next(counter))).digest(count)

    return give


def left(workers, dropouts, stage):
    """Who still speaks at a stage."""
    when = {w: ORDER.index(s) for w, s in dropouts.items()}
    return [w for w in range(workers) if when.get(w, 9) > ORDER.index(stage)]


@st.composite
def scenarios(draw):
    workers = draw(st.integers(3, 9))
    threshold = draw(st.integers(3, workers))
    server = draw(st.integers(0, workers - 1))
    others = [w for w in range(workers) if w != server]
    victims = draw(st.lists(st.sampled_from(others), unique=True, max_size=workers - threshold))
    return workers, threshold, server, {w: draw(st.sampled_from(ORDER)) for w in victims}


@given(st.integers(3, 9), st.integers(1, 40), st.integers(2, 58), st.integers(0, 2**32 - 1))
def test_sums_are_those_of_superdense_words_bit_for_bit(workers, coords, bits, seed):
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-3, 3, size=(workers, coords))
    encoding = FixedPoint(word_bits=bits, limit=3.0)
    masked = qring.all_reduce(rows, method=SecAgg(encoding=encoding))
    plain = qring.all_reduce(rows, method=Superdense(encoding=encoding))
    assert masked.sums.tobytes() == plain.sums.tobytes()
    assert masked.sums.dtype == plain.sums.dtype
    assert masked.agreed


@given(scenarios(), st.sampled_from([3, 14, 29, 40]), st.integers(0, 2**32 - 1))
def test_whoever_drops_out_the_sum_is_that_of_those_whose_words_arrived(scenario, bits, seed):
    workers, threshold, server, dropouts = scenario
    rng = np.random.default_rng(seed)
    rows = rng.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1), size=(workers, 17))
    method = SecAgg(
        encoding=Integers(word_bits=bits), threshold=threshold, server=server, dropouts=dropouts
    )
    result = qring.all_reduce(rows, method=method)
    contributors = left(workers, dropouts, Stage.MASK)
    assert isinstance(result, SecAggAggregate)
    assert (result.sum == rows[contributors].sum(axis=0)).all()
    assert result.mean == pytest.approx(rows[contributors].mean(axis=0))
    assert result.contributors == tuple(contributors)
    assert result.holders == tuple(left(workers, dropouts, Stage.UNMASK))
    assert len(result.sums) == len(result.holders)
    absent = [w for w in range(workers) if w not in contributors]
    named = [c for c in result.caveats if "not in the sum" in c]
    assert named == ([f"dropped out and not in the sum: worker {', '.join(map(str, absent))}"]
                     if absent else [])  # fmt: skip


@given(scenarios())
def test_the_server_never_sees_both_kinds_of_shares_of_one_worker(scenario):
    workers, threshold, server, dropouts = scenario
    method = SecAgg(
        encoding=Integers(word_bits=8), threshold=threshold, server=server, dropouts=dropouts
    )
    transcript = qring.all_reduce(np.ones((workers, 2), int), method=method).transcript
    seeds = {owner for reveal in transcript.revealed.values() for owner in reveal.seeds}
    keys = {owner for reveal in transcript.revealed.values() for owner in reveal.keys}
    assert not seeds & keys
    assert seeds == set(transcript.present[Stage.MASK])
    assert keys == set(transcript.present[Stage.SHARE]) - seeds
    assert set(transcript.revealed) == set(left(workers, dropouts, Stage.UNMASK))
    for stage in ORDER:
        assert transcript.present[stage] == tuple(left(workers, dropouts, stage))


@pytest.mark.parametrize("stage", ORDER)
def test_what_the_server_recovers_is_no_key_of_a_survivor_and_no_seed_of_a_lost_worker(stage):
    # The same source draws the same secrets, so what the shares give can be held against them.
    workers, lost = 5, 2
    drawn = source(1)
    present = [w for w in range(workers) if w != lost or stage is not Stage.ADVERTISE]
    secrets = {w: steps.draw(w, drawn) for w in present}
    method = SecAgg(encoding=Integers(word_bits=8), dropouts={lost: stage}, source=source(1))
    revealed = qring.all_reduce(np.ones((workers, 2), int), method=method).transcript.revealed
    found = set()
    for owner in present:
        for kind in ("seeds", "keys"):
            shares = {h + 1: getattr(r, kind)[owner] for h, r in revealed.items()
                      if owner in getattr(r, kind)}  # fmt: skip
            if len(shares) >= 3:
                found.add((owner, kind, shamir.combine(shares)))
    contributes = stage is Stage.UNMASK
    expected = {
        (w, "seeds", int.from_bytes(secrets[w].seed, "big"))
        for w in present
        if w != lost or contributes
    }
    if stage is Stage.MASK:
        expected.add((lost, "keys", int.from_bytes(secrets[lost].mask.private, "big")))
    assert found == expected


@given(scenarios(), st.integers(1, 30), st.integers(1, 20))
def test_ledgers_equal_the_closed_forms(scenario, coords, bits):
    workers, threshold, server, dropouts = scenario
    rows = np.zeros((workers, coords), int)
    method = SecAgg(
        encoding=Integers(word_bits=bits, signed=False),
        threshold=threshold,
        server=server,
        dropouts=dropouts,
    )
    ledger = qring.all_reduce(rows, method=method).ledger
    wide = (workers * (2**bits - 1)).bit_length() * coords
    first, second, third, last = (left(workers, dropouts, stage) for stage in ORDER)
    expected = {}
    for w in range(workers):
        if w == server:
            continue
        expected[w, server, Phase.SETUP] = PUBLIC_KEYS * (w in first) + SEALED * (
            len(first) - 1
        ) * (w in second)
        expected[w, server, Phase.ONLINE] = wide * (w in third) + SHARE * len(second) * (w in last)
        expected[server, w, Phase.SETUP] = (
            (workers + PUBLIC_KEYS * (len(first) - 1)) * (w in first)
            + (workers + SEALED * (len(second) - 1)) * (w in second)
        )  # fmt: skip
        expected[server, w, Phase.ONLINE] = workers * (w in third) + (workers + wide) * (w in last)
    counts = {(*key, Carrier.BIT): count for key, count in expected.items() if count}
    assert ledger == Ledger(counts, rounds=4)


@pytest.mark.parametrize("stage", ORDER)
@pytest.mark.parametrize(
    ("dropped", "threshold", "policy", "reason"),
    [
        ((3, 4), 4, OnDropout.RECOVER, Reason.TOO_FEW),
        ((4,), 3, OnDropout.ABORT, Reason.DROPOUT),
        ((0,), 3, OnDropout.RECOVER, Reason.SERVER_LOST),
    ],
)
def test_what_cannot_be_completed_is_an_outcome_with_its_evidence(
    dropped, threshold, policy, reason, stage
):
    method = SecAgg(
        encoding=Integers(word_bits=4),
        threshold=threshold,
        on_dropout=policy,
        dropouts=dict.fromkeys(dropped, stage),
    )
    told = []
    result = qring.all_reduce(
        np.ones((5, 3), int), method=method, progress=lambda *step: told.append(step)
    )
    assert isinstance(result, SecAggAborted)
    assert (result.reason, result.stage) == (reason, stage)
    assert result.present == tuple(w for w in range(5) if w not in dropped)
    assert result.coords == 3
    assert not isinstance(result, qring.Aggregate)
    assert reason.value in str(result)
    assert told == [(k + 1, 4) for k in range(ORDER.index(stage) + 1)]
    with pytest.raises(AttributeError, match="there is no sum"):
        _ = result.sum
    if reason is not Reason.SERVER_LOST:
        assert result.ledger.rounds == 2 * max(0, ORDER.index(stage) - 1)
        last_word = result.ledger.on(0, 1, Phase.SETUP, Carrier.BIT)
        if stage is Stage.ADVERTISE:
            assert last_word == 5  # who is present, and no keys
    if stage is not Stage.UNMASK:
        online = result.ledger.total(Carrier.BIT, Phase.ONLINE)
        assert online == 0 or (stage is Stage.MASK and reason is not Reason.SERVER_LOST)


@settings(max_examples=20)
@given(st.integers(3, 6), st.integers(0, 2**32 - 1))
def test_masked_words_alone_are_uniform_and_only_all_masks_together_cancel(workers, seed):
    drawn = source(seed)
    secrets = {w: steps.draw(w, drawn) for w in range(workers)}
    roster = {w: steps.advertise(own) for w, own in secrets.items()}
    bits, coords = 13, 4096
    masked = [
        steps.mask(secrets[w], roster, roster, np.zeros(coords, word_type(bits)), bits)
        for w in range(workers)
    ]
    for some in range(1, workers):  # partial sums still hold pairwise masks
        total = np.sum(masked[:some], axis=0, dtype=np.uint64) % 2**bits
        # 4096 uniform words: their mean is off by 6 standard errors with probability 2e-9
        assert abs(total.mean() - (2**bits - 1) / 2) < 6 * 2**bits / np.sqrt(12 * coords)
    whole = np.sum(masked, axis=0, dtype=np.uint64).astype(word_type(bits))
    add_masks(whole, [], [own.seed for own in secrets.values()], bits)
    assert (whole == 0).all()


@pytest.mark.parametrize("threshold", [1, 2, 3])
def test_fewer_shares_than_the_threshold_are_the_same_whatever_the_secret(threshold):
    # Every polynomial over a small field: each value of any t−1 shares occurs equally often.
    prime, points = 7, (1, 2, 4)
    seen = {}
    for coefficients in itertools.product(range(prime), repeat=threshold):
        shares = shamir.evaluate(coefficients, points, prime)
        for some in itertools.combinations(points, threshold - 1):
            table = seen.setdefault((some, coefficients[0]), {})
            value = tuple(shares[p] for p in some)
            table[value] = table.get(value, 0) + 1
        for enough in itertools.combinations(points, threshold):
            assert shamir.combine({p: shares[p] for p in enough}, prime) == coefficients[0]
    for some in itertools.combinations(points, threshold - 1):
        tables = [seen[some, secret] for secret in range(prime)]
        assert all(table == tables[0] for table in tables)
        assert set(tables[0].values()) == {1}


@given(st.integers(0, 2**256), st.integers(0, 2**256), st.integers(2, 12), st.integers(0, 2**32))
def test_too_few_shares_fit_every_other_secret_as_well(secret, other, threshold, seed):
    points = range(1, threshold + 3)
    shares = shamir.split(secret, threshold, points, source(seed))
    assert shamir.combine({p: shares[p] for p in list(points)[2:]}) == secret
    known = {p: shares[p] for p in list(points)[: threshold - 1]}
    # Some value of the one share that is missing makes them shares of the other secret.
    at = threshold
    zero, one = (shamir.combine({**known, at: value}) for value in (0, 1))
    missing = (other - zero) * pow(one - zero, -1, shamir.PRIME) % shamir.PRIME
    assert shamir.combine({**known, at: missing}) == other

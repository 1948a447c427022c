"""Whatever is lost, and however often a sum is tried: nothing is told beyond what is declared.

The eavesdropper hears all links and announcements of everything one call does: retries, reruns,
fallbacks, aborts. Messages that a lost worker was about to send count as heard.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from eavesdropping import (
    Tapped,
    announced_rows,
    learned,
    masked_rows,
    secagg_heard,
    spelled,
    told_at,
    within,
)

import qring
from qring import (
    Digits,
    Direction,
    Fallback,
    Fate,
    Ghz,
    InputError,
    Integers,
    OnDropout,
    Private,
    SecAgg,
    Stage,
    Superdense,
    Vga,
)
from qring.security.masks import chains

BITS = 56
WORDS = Integers(word_bits=BITS, signed=False)


def private(dropouts, answer=OnDropout.BY_CHUNK, wrap=lambda method: method, **options):
    def run(words, network):
        method = Private(
            encoding=WORDS, epsilon=0.5, on_dropout=answer, dropouts=dropouts, **options
        )
        rows = words.astype(np.uint64)
        rng = np.random.default_rng(0)
        return qring.all_reduce(rows, method=wrap(method), network=network, rng=rng)

    return run


def sum_bits(workers):
    return WORDS.budget(workers).sum_bits


def heard(dropouts, workers, coords, run=private, **options):
    """Rows of all that is heard, with messages that lost workers may have sent; the outcome."""
    bits = sum_bits(workers)
    rows, result, ran = masked_rows(run(dropouts, **options), workers, coords, bits)
    for worker, last in dropouts.items():  # the same run, but this one message is sent
        longer = {**dropouts, worker: last + 1}
        more, _, _ = masked_rows(
            run(longer, **options), workers, coords, bits,
            lambda when, src, worker=worker, last=last: (when, src) == (last, worker),
        )  # fmt: skip
        for coord, each in more.items():
            rows.setdefault(coord, []).extend(each)
    return rows, result, ran


def leaks(rows, result, workers, coords):
    """Coordinates of which more is known than the outcome declares."""
    bits = sum_bits(workers)
    return [
        coord
        for coord in range(coords)
        if not all(within(row, told_at(result, coord), bits) for row in learned(rows[coord], bits))
    ]


def tells_one_sum(rows, bits, dishonest, workers):
    """Whether a coalition knows at most one sum of at least two honest workers' words."""
    known = learned(rows, bits, dishonest)
    honest = [w for w in range(workers) if w not in dishonest]
    return not known or any(
        all(within(row, [those], bits) for row in known)
        for size in range(2, len(honest) + 1)
        for those in itertools.combinations(honest, size)
    )


def settled(result, rows):
    """Whether every sum is that of the workers it names, at every holder."""
    for start, stop, workers, fate in result.spans:
        if fate is Fate.SUMMED:
            expected = rows[list(workers), start:stop].sum(axis=0)
            if not (result.sums[:, start:stop] == expected).all():
                return False
    return True


# Private: one loss, everywhere


@pytest.mark.parametrize("gather", Direction)
@pytest.mark.parametrize("workers", [2, 3, 4, 5])
def test_a_loss_in_any_round_of_private_tells_one_sum_a_coordinate(workers, gather):
    for lost, round_ in itertools.product(range(workers), range(2 * (workers - 1))):
        if workers == 5 and lost not in (0, 3):
            continue
        rows, result, _ = heard({lost: round_}, workers, workers, gather=gather)
        assert not leaks(rows, result, workers, workers)
        assert all(len(told_at(result, coord)) <= 1 for coord in range(workers))
        if workers > 2:
            # L's own round for chunk ch is (L − ch) mod n: before it with L, after it without.
            fates = {
                (lost - span.start) % workers if span.stop - span.start == 1 else None: span
                for coord in range(workers)
                for span in result.spans
                if span.start <= coord < span.stop
                for span in [span._replace(start=coord, stop=coord + 1)]
            }
            for own, span in fates.items():
                fate = Fate.GIVEN_UP if own == round_ else Fate.SUMMED
                assert (span.fate, lost in span.workers) == (fate, own <= round_)


@pytest.mark.parametrize("round_", range(6))
def test_a_private_run_that_aborts_declares_what_it_told(round_):
    rows, result, _ = heard({1: round_}, 4, 4, answer=OnDropout.ABORT)
    assert isinstance(result, qring.PrivateAborted)
    assert not leaks(rows, result, 4, 4)
    assert result.ledger.rounds == round_ + 1
    untouched = [span for span in result.spans if span.fate is Fate.UNTOUCHED]
    assert sum(span.stop - span.start for span in untouched) == max(0, 3 - round_)
    assert ("may be known" in str(result)) == bool(result.told)


def test_chunks_of_any_length_are_put_where_they_belong():
    rng = np.random.default_rng(4)
    for _ in range(40):
        workers, coords = int(rng.integers(3, 7)), int(rng.integers(1, 40))
        dropouts = {
            int(w): int(rng.integers(0, 3 * workers))
            for w in rng.choice(workers, size=int(rng.integers(1, workers - 1)), replace=False)
        }
        rows = rng.integers(0, 100, size=(workers, coords))
        result = private(dropouts)(rows, None)
        covered = sum(span.stop - span.start for span in result.spans)
        assert covered == coords
        if isinstance(result, qring.Aborted):
            continue
        assert settled(result, rows)
        assert len(result.sums) == len(result.holders) >= workers - len(dropouts)
        counts = result.counts
        assert (counts == 0).any() != result.is_whole
        given = result.mean_or(-1.0)
        assert (given[counts == 0] == -1).all()
        some = counts > 0
        assert given[some] == pytest.approx(result.sums[0][some] / counts[some])
        if not result.is_whole:
            with pytest.raises(InputError, match="have no sum"):
                _ = result.mean


# Private, refereed by brute force: several losses, coalitions, losses in reruns


@pytest.mark.parametrize(
    ("dropouts", "workers"), [({3: 2, 0: 6}, 4), ({3: 2, 0: 4}, 4), ({1: 1, 2: 1}, 4)]
)
def test_attempts_on_the_same_words_count_together(dropouts, workers):
    # Worker 3, dishonest, falls silent once the others' words of chunk 0 are out; then worker 0 is
    # blocked, as the chunk is summed again or before: a third sum would tell its word.
    judge_all_coalitions(dropouts, workers)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [3, 4])
def test_whoever_is_lost_and_whoever_colludes_one_sum_is_told(workers, sweep):
    rounds = range(3 * workers - 2)
    for second in range(1, workers):  # the ring looks alike from everywhere: worker 0 is lost first
        for one, two in itertools.combinations_with_replacement(rounds, 2):
            if (one + two + second) % sweep(1, sample=2 * workers - 3):
                continue
            judge_all_coalitions({0: one, second: two}, workers)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [4, 5])
def test_three_losses_and_all_coalitions(workers, sweep):
    rng = np.random.default_rng(workers)
    for _ in range(sweep(150, sample=15)):
        lost = rng.choice(workers, size=3, replace=False)
        judge_all_coalitions({int(w): int(rng.integers(0, 4 * workers)) for w in lost}, workers)


def judge_all_coalitions(dropouts, workers):
    coords, bits = workers * (workers - 1), sum_bits(workers)
    rows, result, ran = heard(dropouts, workers, coords)
    assert not leaks(rows, result, workers, coords)
    assert settled(result, spelled(workers, coords)) or isinstance(result, qring.Aborted)
    for size in range(1, workers - 1):
        for dishonest in itertools.combinations(range(workers), size):
            if any(len(set(those) - set(dishonest)) < 2 for those in ran):
                continue  # nothing can be promised to one honest worker in a sum
            for coord in range(coords):
                assert tells_one_sum(rows[coord], bits, frozenset(dishonest), workers), (
                    dropouts, dishonest, coord, result.spans,
                )  # fmt: skip


# The law has teeth: what was there before, and each clause of the rule left out, is caught


def rerun_whatever_was_sent(chain, lost):
    chain.state = chains.State.STOPPED
    chain.out.clear()
    chain.doubtful.clear()


def never_doubt(chain, lost):
    chain.doubtful.clear()
    real_judge(chain, lost)


real_judge = chains.Chain.judge


def test_a_rerun_of_everything_is_caught_from_round_n_minus_1_on(monkeypatch):
    monkeypatch.setattr(chains.Chain, "judge", rerun_whatever_was_sent)
    found = {}
    for round_ in range(6):
        rows, result, _ = heard({1: round_}, 4, 40)
        found[round_] = len(leaks(rows, result, 4, 40))
    assert found == {0: 0, 1: 0, 2: 0, 3: 40, 4: 40, 5: 40}
    monkeypatch.undo()
    sent = {}
    for round_ in (3, 4, 5):  # of what was certainly sent, an eavesdropper reads as much as before
        monkeypatch.setattr(chains.Chain, "judge", rerun_whatever_was_sent)
        rows, result, _ = masked_rows(private({1: round_}), 4, 40, sum_bits(4))
        sent[round_] = len(leaks(rows, result, 4, 40))
    assert sent == {3: 30, 4: 40, 5: 40}


def test_redoing_a_chunk_that_was_about_to_be_sent_is_caught(monkeypatch):
    monkeypatch.setattr(chains.Chain, "judge", never_doubt)
    rows, result, _ = heard({1: 3}, 4, 4)
    assert leaks(rows, result, 4, 4) == [2]


# The other methods


def test_superdense_declares_that_it_tells_everything_and_does():
    def run(words, network):
        method = Superdense(encoding=WORDS)
        return qring.all_reduce(words.astype(np.uint64), method=method, network=network)

    rows, result, _ = masked_rows(run, 3, 3, sum_bits(3))
    for coord in range(3):
        assert told_at(result, coord) == [(0,), (1,), (2,)]
        known = learned(rows[coord], sum_bits(3))
        assert {("x", (coord + 0) % 3): 1} in known


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallBlocks(Digits):
    """Digits of two coordinates at a time."""

    @property
    def block(self):
        return 2


def ghz_methods():
    small = Ghz(encoding=Integers(word_bits=4, signed=False), readout=SmallBlocks())
    return {"ghz": small, "vga": Vga(ghz=small)}


def heard_of_copies(method):
    """Run over five workers and six coordinates, with what is heard of copies and of secagg."""
    gradients = np.random.default_rng(0).integers(0, 16, size=(5, 6)).astype(np.uint8)
    network = Tapped()
    with secagg_heard() as rows:
        result = qring.all_reduce(
            gradients, method=method, network=network, rng=np.random.default_rng(1)
        )
    return announced_rows(network, 7), rows, result, gradients


def leaks_of_copies(copies, rows, result):
    second = getattr(result, "second", None)
    summed = set() if second is None else {
        coord for span in result.spans for coord in range(span.start, span.stop)
        if span.workers == second.contributors
    }  # fmt: skip
    return [
        coord
        for coord in range(6)
        if not all(
            within(row, told_at(result, coord), 7)
            for row in learned([*copies.get(coord, []), *(rows if coord in summed else [])], 7)
        )
    ]


@pytest.mark.parametrize("name", ["ghz", "vga"])
def test_ghz_and_vga_tell_the_sum(name):
    copies, rows, result, gradients = heard_of_copies(ghz_methods()[name])
    assert not leaks_of_copies(copies, rows, result)
    assert {told.workers for told in result.told} == {(0, 1, 2, 3, 4)}
    assert len(copies) == 6
    assert (result.sum == gradients.sum(axis=0)).all()


@pytest.mark.parametrize("secagg", [True, False])
@pytest.mark.parametrize("name", ["ghz", "vga"])
@pytest.mark.parametrize("announced", [0, 1, 2, 3, 4, 5, 6, None])
def test_what_falls_back_was_never_announced(name, announced, secagg):
    pytest.importorskip("cryptography")
    method = Fallback(
        method=ghz_methods()[name],
        lost=(3,),
        announced=announced,
        secagg=SecAgg(encoding=Integers(word_bits=4, signed=False)) if secagg else None,
    )
    copies, rows, result, gradients = heard_of_copies(method)
    assert not leaks_of_copies(copies, rows, result)
    assert all(len(told_at(result, coord)) <= 1 for coord in range(6))
    reached = 6 if announced is None else announced + announced % 2
    fates = {Fate.SUMMED: max(0, reached - 2), Fate.GIVEN_UP: min(2, reached)}
    if not secagg and not fates[Fate.SUMMED]:
        assert isinstance(result, qring.Spoiled)
        return
    if secagg:
        fates[Fate.SUMMED] += 6 - reached
    for fate, count in fates.items():
        spans = [span for span in result.spans if span.fate is fate]
        assert sum(span.stop - span.start for span in spans) == count
    assert settled(result, gradients.astype(np.int64))
    assert result.holders == (0, 1, 2, 4)


def test_a_fallback_over_coordinates_that_were_announced_is_caught(monkeypatch):
    pytest.importorskip("cryptography")
    real = Fallback._read

    def forget(self, *args):
        begun = real(self, *args)
        left = begun.holders
        whole = qring.Span(0, 6, (*left[:3], 3, left[3]), Fate.UNTOUCHED)
        return begun._replace(spans=(whole,))

    monkeypatch.setattr(Fallback, "_read", forget)
    method = Fallback(
        method=ghz_methods()["ghz"],
        lost=(3,),
        secagg=SecAgg(encoding=Integers(word_bits=4, signed=False)),
    )
    copies, rows, result, _ = heard_of_copies(method)
    assert leaks_of_copies(copies, rows, result) == list(range(6))


@pytest.mark.parametrize("round_", range(6))
def test_private_that_falls_back_tells_one_sum_a_coordinate(round_):
    pytest.importorskip("cryptography")
    bits = sum_bits(4)

    def fall_back(method):
        return Fallback(method=method, secagg=SecAgg(encoding=WORDS))

    with secagg_heard() as second:
        rows, result, _ = heard({1: round_}, 4, 4, wrap=fall_back)
    over = set(result.second.contributors) if result.second else set()
    numbers = {0: 0, 1: 2, 2: 3}  # of those that are left, among all
    for coord in range(4):
        known = list(rows.get(coord, []))
        if any(s.start <= coord < s.stop and set(s.workers) == over for s in result.spans):
            known += [
                {(key[0], *(numbers[i] for i in key[1:])): a for key, a in row.items()}
                for row in second
            ]
        assert all(within(row, told_at(result, coord), bits) for row in learned(known, bits))
        assert len(told_at(result, coord)) <= 1
    assert (result.second is None) == (round_ > 2)


@pytest.mark.parametrize("answer", [OnDropout.RECOVER, OnDropout.ABORT])
@pytest.mark.parametrize("stage", [None, *Stage])
@pytest.mark.parametrize("lost", [0, 1, 4])
def test_secagg_tells_what_it_declares_whenever_somebody_is_lost(lost, stage, answer):
    pytest.importorskip("cryptography")
    dropouts = {} if stage is None else {lost: stage}
    method = SecAgg(
        encoding=Integers(word_bits=4, signed=False), on_dropout=answer, dropouts=dropouts
    )
    gradients = np.arange(10, dtype=np.uint8).reshape(5, 2)
    with secagg_heard() as rows:
        result = qring.all_reduce(gradients, method=method)
    known = learned(rows, 7)
    for coord in range(2):
        assert all(within(row, told_at(result, coord), 7) for row in known)
    if stage is not Stage.UNMASK and isinstance(result, qring.Aborted):
        assert result.told == ()
    if stage is Stage.UNMASK:
        assert bool(result.told)
        assert ("may be known" in str(result)) == isinstance(result, qring.Aborted)


def test_the_law_of_secagg_has_teeth(monkeypatch):
    pytest.importorskip("cryptography")
    with secagg_heard() as rows:
        qring.all_reduce(
            np.zeros((5, 1), np.uint8),
            method=SecAgg(encoding=Integers(word_bits=4, signed=False), dropouts={4: Stage.MASK}),
        )
    # Without the mask of its own, a worker whose words were late would be read.
    bare = [{key: a for key, a in row.items() if key[0] != "own"} for row in rows]
    assert all(within(row, [(0, 1, 2, 3)], 7) for row in learned(rows, 7))
    assert not all(within(row, [(0, 1, 2, 3)], 7) for row in learned(bare, 7))


# One enum


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Private(encoding=WORDS, on_dropout=OnDropout.RECOVER), "abort or by-chunk"),
        (lambda: Private(encoding=WORDS, on_dropout="abort"), "use OnDropout.ABORT"),
        (lambda: SecAgg(encoding=WORDS, on_dropout=OnDropout.BY_CHUNK), "abort or recover"),
    ],
)
def test_answers_that_a_method_does_not_have_are_refused(make, said):
    with pytest.raises(InputError, match=said):
        make()


def test_abort_means_abort():
    rows = np.ones((3, 6), np.uint8)
    method = Private(
        encoding=Integers(word_bits=8, signed=False), epsilon=0.5, dropouts={1: 2},
        on_dropout=qring.OnDropout.ABORT,
    )  # fmt: skip
    result = qring.all_reduce(rows, method=method, rng=np.random.default_rng(0))
    assert isinstance(result, qring.Aborted)

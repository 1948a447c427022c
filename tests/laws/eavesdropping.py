"""What an eavesdropper who hears everything can work out, by linear algebra mod 2^B.

A message is a row over unknowns: words of workers, and masks, which are uniform. Rows are found by
running a method on words whose sums spell out who is in them. All combinations of rows in which
the masks cancel are what she knows; it must lie in the span of the sums that the outcome declares.
"""

import itertools
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from qring import Network
from qring.encoding.packing import unpack_words
from qring.network.run import Run, SharedCopies
from qring.security.masks import method as masks_method
from qring.security.masks.attempts import Attempts
from qring.security.secagg import steps

BASE, SPELL = 8, 20  # powers of 8 name workers (at most 6); a coordinate stands 20 bits above
SUM_BITS = 58


def spelled(workers, coords):
    """Words, shape (workers, coords), from whose sums workers and the coordinate can be read."""
    names = BASE ** np.arange(workers, dtype=np.int64)[:, None]
    return names * (1 + (np.arange(coords, dtype=np.int64) << SPELL))


def spelt(word, workers):
    """Coordinate and coefficients of a sum of spelled words; no coordinate if it is 0."""
    names, high = word & ((1 << SPELL) - 1), word >> SPELL
    if word == 0:
        return None, [0] * workers
    return high // names, [names // BASE**i % BASE for i in range(workers)]


class Link:
    """A link that lets somebody listen before it carries."""

    def __init__(self, link, hear):
        self.link, self.hear = link, hear

    def carry(self, message, bits):
        self.hear(message.copy(), bits)
        self.link.carry(message, bits)


class TappedCopies(SharedCopies):
    """Copies of which all that is announced is heard."""

    def batch(self, *args):
        self._run.view = view = []
        batch = SharedCopies.batch(self, *args)
        self._run.announced.append((len(batch), self._run.workers, view))
        return batch


class TappedRun(Run):
    """A run in which everything sent on pairs, or announced of copies, is heard."""

    def __init__(self, network, *args):
        super().__init__(*args)
        self.network, self.heard, self.announced = network, network.heard, network.announced

    def link(self, kind, src, dst):
        when = self.rounds
        return Link(
            super().link(kind, src, dst),
            lambda message, bits: self.heard.append((when, src, message, bits)),
        )

    def copies(self, **options):
        return TappedCopies(self, super().copies(**options)._wiring)

    def again(self):
        return TappedRun(self.network, self.conditions, self.engine, self.workers, self.rng)

    def among(self, workers):
        conditions = self.conditions.among(workers)
        return TappedRun(self.network, conditions, self.engine, len(workers), self.rng)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tapped(Network):
    """A network whose runs are tapped."""

    heard: list = field(default_factory=list)
    announced: list = field(default_factory=list)
    record_view: bool = True

    def open(self, workers, rng=None):
        return TappedRun(self, self, self.engine, workers, rng)


@contextmanager
def masks(shown):
    """Make all batches of masks 0, but for batch number ``shown``, which is spelled.

    Yields a list of the workers of each batch.
    """
    real, made, count = masks_method.fresh_masks, {}, itertools.count()
    batches = []

    def fresh(terms, run, source, **more):
        key = (terms.workers, terms.masks)
        if key not in made:
            made[key] = real(terms, Network().open(terms.workers, run.rng), source, **more)
        own = spelled(*key) if next(count) == shown else np.zeros(key, np.int64)
        own = own.astype(np.uint64)
        batches.append(range(terms.workers))
        return made[key]._replace(own=own, total=own.sum(axis=0, dtype=np.uint64))

    def ride(self, *args, **kwargs):
        batches[-1] = self.settlement.left
        real_ride(self, *args, **kwargs)

    real_ride = Attempts.ride
    masks_method.fresh_masks, Attempts.ride = fresh, ride
    try:
        yield batches
    finally:
        masks_method.fresh_masks, Attempts.ride = real, real_ride


def words_heard(run, gradients, shown, sum_bits):
    """Run, with one batch of masks spelled; all words heard: (round, sender, word), and batches."""
    network = Tapped()
    with masks(shown) as batches:
        result = run(gradients, network)
    words = [
        (when, src, int(word))
        for when, src, message, bits in network.heard
        for word in unpack_words(message, bits // sum_bits, sum_bits)
    ]
    return words, batches, result


def masked_rows(run, workers, coords, sum_bits, keep=lambda _when, _src: True):
    """Rows of a run under masks, the outcome, and who was in each of its attempts.

    Rows are {coordinate: [{column: coefficient}]}; columns are ("x", worker) of words, and (batch,
    worker, number) of masks.
    """
    nothing = np.zeros((workers, coords), np.int64)
    words, batches, result = words_heard(run, spelled(workers, coords), None, sum_bits)
    runs = [words_heard(run, nothing, k, sum_bits)[0] for k in range(len(batches))]
    found = {}
    for index, (when, src, word) in enumerate(words):
        coord, own = spelt(word, workers)
        row = {("x", i): a for i, a in enumerate(own) if a}
        for k, batch in enumerate(batches):
            mask, used = spelt(runs[k][index][2], len(batch))
            row |= {(k, batch[i], mask): a for i, a in enumerate(used) if a}
        if keep(when, src):
            found.setdefault(coord, []).append(row)
    for rows in found.values():  # sums of masks are public
        batches_here = {(key[0], key[2]) for row in rows for key in row if key[0] != "x"}
        for k, mask in batches_here:
            rows.append({(k, i, mask): 1 for i in batches[k]})
    return found, result, [tuple(batch) for batch in batches]


def cancelled(rows, columns, bits):
    """All combinations of ``rows`` that are 0 in ``columns``, mod 2^bits: generators of them."""
    rows, modulus = [dict(row) for row in rows], 1 << bits
    for column in columns:
        pivots = []
        while any(row.get(column, 0) % modulus for row in rows):
            pivot = min(
                (row for row in rows if row.get(column, 0) % modulus),
                key=lambda row: valuation(row[column]),
            )
            rows.remove(pivot)
            level = valuation(pivot[column])
            inverse = pow(pivot[column] >> level, -1, modulus)
            for k, row in enumerate(rows):
                factor = (row.get(column, 0) >> level) * inverse
                if factor:
                    rows[k] = combined(row, pivot, -factor, modulus)
            if level:
                rows.append(combined({}, pivot, 1 << (bits - level), modulus))
            pivots.append(pivot)
    return [row for row in rows if row]


def combined(row, other, factor, modulus):
    keys = row.keys() | other.keys()
    sums = {key: (row.get(key, 0) + factor * other.get(key, 0)) % modulus for key in keys}
    return {key: value for key, value in sums.items() if value}


def valuation(number):
    return (number & -number).bit_length() - 1


def learned(rows, bits, dishonest=frozenset()):
    """What ``rows`` tell of words, masks cancelled; dishonest workers tell theirs."""
    known = [{key: a for key, a in row.items() if key[1] not in dishonest} for row in rows]
    unknown = sorted({key for row in known for key in row if key[0] != "x"}, key=repr)
    return cancelled(known, unknown, bits)


def within(row, sums, bits):
    """Whether ``row`` is a combination of ``sums``, mod 2^bits."""
    marked = [{**{("x", i): 1 for i in workers}, ("sum", k): 1} for k, workers in enumerate(sums)]
    goal = {**row, ("goal", 0): 1}
    columns = sorted({key for each in (*marked, goal) for key in each if key[0] == "x"})
    return any(each.get(("goal", 0), 0) & 1 for each in cancelled([*marked, goal], columns, bits))


def told_at(result, coord):
    """Declared sums at a coordinate, as sets of workers."""
    return [told.workers for told in result.told if told.start <= coord < told.stop]


def announced_rows(network, bits):
    """Rows of what was announced of GHZ copies: digits 0..d of a sum are the sum mod 2^(d+1)."""
    found, start = {}, 0
    for size, workers, view in network.announced:
        for entry in view:
            for coord in entry.coords.tolist():
                row = {("x", i): 1 << (bits - 1 - entry.digit) for i in range(workers)}
                found.setdefault(start + coord, []).append(row)
        start += size
    return found


@contextmanager
def secagg_heard():
    """Rows of what is heard of secure aggregation, by masks between pairs and of one's own.

    Workers that fall silent as they send masked words may have been heard all the same.
    """
    rows, real = [], (steps.mask, steps.unmask, steps.share)
    sharing, masked, revealed = {}, {}, []

    def pair(i, j):
        return ("pair", *sorted((i, j)))

    def share(secrets, roster, threshold, source):
        sharing[secrets.worker] = tuple(roster)
        return real[2](secrets, roster, threshold, source)

    def mask(secrets, roster, sharers, words, sum_bits):
        masked[secrets.worker] = tuple(sharers)
        return real[0](secrets, roster, sharers, words, sum_bits)

    def unmask(secrets, own, sealed, contributors, threshold):
        revealed.append((tuple(contributors), (secrets.worker, *sealed), threshold))
        return real[1](secrets, own, sealed, contributors, threshold)

    steps.mask, steps.unmask, steps.share = mask, unmask, share
    try:
        yield rows
    finally:
        steps.mask, steps.unmask, steps.share = real
        sharers = next(iter(masked.values()), ())
        for worker in sharers:  # whoever shared its keys may have sent masked words
            row = {("x", worker): 1, ("own", worker): 1}
            row |= {pair(worker, j): 1 if worker < j else -1 for j in sharers if j != worker}
            rows.append(row)
        if revealed and len(revealed) >= revealed[0][2]:
            contributors, owners, _ = revealed[0]
            rows += [{("own", worker): 1} for worker in contributors]
            lost = set(owners) - set(contributors)
            rows += [{pair(i, j): 1} for i in lost for j in owners if j != i]

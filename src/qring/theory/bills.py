"""Cost of privacy, protocol by protocol, for the same sums and the same ε over all rounds.

Every bill is for a whole job: ``rounds`` sums of ``coords`` words by ``workers`` workers. Closed
forms, so that a job of any size is priced at once. Standing of every ε: bound, finite size, unless
a bill says otherwise. Noiseless copies and pairs throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from qring.errors import InputError
from qring.theory.integrity import announced_bits
from qring.theory.privacy import hashed_checks

__all__ = ["Bill", "Job", "Protects", "Winner", "bills", "winners"]


class Protects(str, Enum):
    """Against whom single words are hidden, all channels being tapped before and during use."""

    NOBODY = "nobody"
    COMPUTATIONAL = "who cannot break the cipher; fewer than a threshold of colluding workers"
    OUTSIDER = "an eavesdropper outside"
    COALITIONS = "an eavesdropper, and all workers but two"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """``epsilon`` is for all rounds together."""

    workers: int
    coords: int
    word_bits: int
    rounds: int
    epsilon: float

    def __post_init__(self) -> None:
        if self.workers < 2:
            raise InputError(f"a sum takes at least 2 workers, not {self.workers}")
        for name in ("coords", "word_bits", "rounds"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 < self.epsilon < 1:
            raise InputError(f"ε lies in (0, 1), not at {self.epsilon}")

    @property
    def sum_bits(self) -> int:
        """B."""
        return (self.workers * ((1 << self.word_bits) - 1)).bit_length()

    @property
    def digits(self) -> int:
        """Binary digits of one round's sums: d·B."""
        return self.coords * self.sum_bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Bill of a protocol for a job, all workers and rounds together unless said otherwise.

    ``states``: GHZ copies or pairs of the offline phase, of which ``tests`` are measured only to
    test them; ``qubits_sent`` is what sharing them sends. ``memory_qubits``: qubits one worker
    keeps at once. ``one_qubit``, ``two_qubit``: operations on kept qubits, measurements included.
    ``online``: qubits on the busiest link, a round, and bits; ``secret_bits`` of key that are used
    up. ``secrecy`` bounds what is told beyond sums over all rounds, ``correctness`` the probability
    that a sum of any round is wrong and nobody notices; ``None`` where nothing bounds it here.
    """

    protocol: str
    protects: Protects
    states: int = 0
    tests: int = 0
    qubits_sent: int = 0
    memory_qubits: int = 0
    one_qubit: int = 0
    two_qubit: int = 0
    online_qubits: int = 0
    online_bits: int = 0
    secret_bits: int = 0
    secrecy: float | None = None
    correctness: float | None = None
    remark: str = ""

    @property
    def total_epsilon(self) -> float | None:
        """Secrecy and correctness together, where both are bounded."""
        if self.secrecy is None or self.correctness is None:
            return None
        return min(1.0, self.secrecy + self.correctness)


def bills(job: Job) -> tuple[Bill, ...]:
    """Price a job under every protocol that we know."""
    return (
        _classical(job),
        _superdense(job),
        _ghz(job),
        _cut_and_choose(job),
        _hashed(job),
        _private(job, batches=job.rounds),
        *([_private(job, batches=1)] if job.rounds > 1 else []),
        _secagg(job),
        _qkd(job, tree=True),
        _qkd(job, tree=False),
    )


class Winner(Enum):
    """Quantities that may be compared."""

    QUBITS_SENT = "qubits_sent"
    MEMORY = "memory_qubits"
    ONE_QUBIT = "one_qubit"


def winners(priced: tuple[Bill, ...]) -> dict[str, dict[str, str]]:
    """Cheapest protocol among those that hide as much: by adversary, then by quantity."""
    found = {}
    for level in (Protects.OUTSIDER, Protects.COALITIONS):
        order = list(Protects)
        able = [
            bill
            for bill in priced
            if bill.protects is not Protects.COMPUTATIONAL
            and order.index(bill.protects) >= order.index(level)
        ]
        found[level.name.lower()] = {
            figure.value: min(able, key=lambda bill: int(getattr(bill, figure.value))).protocol
            for figure in Winner
        }
    return found


def _busiest_words(job: Job) -> int:
    """Words on the busiest link of the ring, a round; with two workers both phases share it."""
    return job.coords if job.workers == 2 else job.coords - job.coords // job.workers


def _online(job: Job) -> int:
    """Qubits on the busiest link of the superdense ring, a round; a message's odd bit takes one."""
    n, b = job.workers, job.sum_bits
    base, longer = divmod(job.coords, n)
    sizes = [base + (k < longer) for k in range(n)]
    whole = sum(-(-b * size // 2) for size in sizes)
    if n == 2:
        return whole
    return whole - min(-(-b * size // 2) for size in sizes)


def _classical(job: Job) -> Bill:
    return Bill(
        protocol="classical",
        protects=Protects.NOBODY,
        online_bits=_busiest_words(job) * job.sum_bits,
    )


def _superdense(job: Job) -> Bill:
    return Bill(
        protocol="superdense",
        protects=Protects.NOBODY,
        online_qubits=_online(job),
        remark="hides nothing from whoever taps both phases",
    )


def _ghz(job: Job) -> Bill:
    copies = job.rounds * job.digits
    return Bill(
        protocol="ghz",
        protects=Protects.NOBODY,
        states=copies,
        qubits_sent=copies * (job.workers - 1),
        memory_qubits=job.digits,
        one_qubit=2 * job.workers * copies,
        online_bits=_busiest_words(job) * job.sum_bits,
        remark="copies are not tested: a tampered source reads words, and nobody notices",
    )


def _cut_and_choose(job: Job) -> Bill:
    tests = job.rounds * math.ceil(job.digits * (job.rounds / job.epsilon) ** 2)
    copies = tests + job.rounds * job.digits
    return Bill(
        protocol="vga, cut-and-choose",
        protects=Protects.OUTSIDER,
        states=copies,
        tests=tests,
        qubits_sent=copies * (job.workers - 1),
        memory_qubits=copies // job.rounds,
        one_qubit=job.workers * (copies + job.rounds * job.digits),
        online_bits=_busiest_words(job) * job.sum_bits,
        remark="N/ε² tested copies for N used ones; the paper's 2x leaves one bad copy in two",
    )


def _hashed(job: Job) -> Bill:
    checks = hashed_checks(job.epsilon / job.rounds)
    copies = job.rounds * (job.digits + checks)
    return Bill(
        protocol="vga, hashed",
        protects=Protects.COALITIONS,
        states=copies,
        tests=job.rounds * checks,
        qubits_sent=copies * (job.workers - 1),
        memory_qubits=job.digits + checks,
        one_qubit=job.workers * (copies + job.rounds * job.digits),
        two_qubit=job.workers * job.rounds * (checks * job.digits // 2),
        online_bits=_busiest_words(job) * job.sum_bits,
        remark=f"{checks} checks a round for any number of copies; half of all copies enter each",
    )


def _private(job: Job, *, batches: int) -> Bill:
    """Masks made in ``batches`` batches, each good for as many rounds, at ε/batches each."""
    epsilon = job.epsilon / batches
    masks = -(-job.rounds // batches) * job.coords
    kept = masks + math.ceil(math.log2(masks / epsilon))
    copies, used, _ = _sampled(kept, epsilon, lambda words: words * job.sum_bits)
    ahead = batches < job.rounds
    return Bill(
        protocol="private, masks for all rounds at once" if ahead else "private",
        protects=Protects.COALITIONS,
        states=batches * copies,
        tests=batches * (copies - used),
        qubits_sent=batches * copies * (job.workers - 1),
        memory_qubits=copies,
        one_qubit=batches * job.workers * (copies + used),
        online_qubits=_online(job),
        online_bits=announced_bits(job.coords, job.sum_bits, epsilon * job.coords / masks),
        secrecy=batches * epsilon,
        correctness=2 * batches * epsilon,
        remark="one test before the first round: ε does not grow with the rounds"
        if ahead
        else "single-qubit operations only",
    )


def _secagg(job: Job) -> Bill:
    return Bill(
        protocol="secagg",
        protects=Protects.COMPUTATIONAL,
        online_bits=2 * job.digits,
        secret_bits=job.rounds * job.workers * 256,
        remark="no quantum channel; survives dropouts; honest-but-curious",
    )


def _qkd(job: Job, *, tree: bool) -> Bill:
    """Pairwise keys by entanglement-based BB84 with biased bases, as masks on the same ring.

    Both ends measure on arrival, so nothing is kept; with probability p each chooses the basis of
    tests. K phase errors survive the tests, and K·m bits of key are given up for them.
    """
    n = job.workers
    links = n - 1 if tree else n * (n - 1) // 2
    key = job.rounds * job.digits
    epsilon = job.epsilon / links
    pairs, raw = _biased(key, epsilon)
    kept, _, _ = _sampled(key, epsilon, lambda bits: bits)
    less = f"kept until tests are announced, {links * kept:.4g} pairs would do"
    return Bill(
        protocol="QKD + one-time pads, " + ("tree" if tree else "complete graph"),
        protects=Protects.OUTSIDER if tree else Protects.COALITIONS,
        states=links * pairs,
        tests=links * (pairs - raw),
        qubits_sent=links * pairs,
        memory_qubits=0,
        one_qubit=2 * links * pairs,
        online_qubits=_online(job),
        secret_bits=links * key,
        remark=f"a neighbour on the tree reads a leaf's words; 11% noise is borne; {less}"
        if tree
        else f"fewer colluders allow a sparser graph: degree k costs k/(n−1) of this; {less}",
    )


def _sampled(kept: int, epsilon: float, copies_for: Callable[[int], int]) -> tuple[int, int, int]:
    """Copies, those used, and K, at the share of tests that needs fewest copies.

    (1−f)^K ≤ ε², and the code gives up K·⌈log2(N+1)⌉ words. Standing: bound, finite size.
    """
    loss = -math.log(epsilon)
    degree = max(2, kept.bit_length())
    while True:
        withstood = max(1, round(loss + math.sqrt(loss * loss + 2 * loss * kept / degree)))
        words = kept + withstood * degree
        if words.bit_length() <= degree:
            used = copies_for(words)
            return math.ceil(used * math.exp(2 * loss / withstood)), used, withstood
        degree += 1


def _biased(key: int, epsilon: float) -> tuple[int, int]:
    """Pairs, and those measured in the basis of the key, at the best bias."""
    loss, best = -math.log(epsilon), (0, 0)
    for step in range(400):
        odds = 10 ** (-6 + step * (6 + math.log10(0.4)) / 399)
        tested = odds * odds / (odds * odds + (1 - odds) ** 2)
        withstood = max(1, math.ceil(-2 * loss / math.log1p(-tested)))
        raw = key + withstood * max(2, (key + withstood * key.bit_length()).bit_length())
        pairs = math.ceil(raw / (1 - odds) ** 2)
        if best == (0, 0) or pairs < best[0]:
            best = (pairs, raw)
    return best

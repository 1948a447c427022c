"""Claims on perfect copies, and on what no classical protocol can do: sections 4.1, 4.2 and 4.4.

Most checks hold state vectors of a few qubits, which share no code with the protocols.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.all_reduce import all_reduce
from qring.collectives.ghz.method import Ghz
from qring.collectives.ring import Superdense
from qring.encoding.values import Integers
from qring.ledger import Carrier, Phase
from qring.network.adversary.aim import Every
from qring.network.adversary.sources import PlusState
from qring.network.network import Network
from qring.paper.claim import Claim, Exact, Relation, Sampled, Standing, Sums, Verdict
from qring.paper.claims.verification import bad_copies, verified
from qring.schedule import ring
from qring.schedule.hops import Action
from qring.security.leakage.laboratory import attack
from qring.security.leakage.report import Setting
from qring.security.vga.verification import CutAndChoose, HashedVerification
from qring.theory.privacy import classical_leak_at_least, leak_of_static_gaussian

__all__ = ["CLAIMS"]


# States --------------------------------------------------------------------------------------


def _ghz(workers: int) -> NDArray[np.complex128]:
    state = np.zeros(2**workers, np.complex128)
    state[0] = state[-1] = 1 / math.sqrt(2)
    return state


def _measured_x(state: NDArray[np.complex128], workers: int) -> NDArray[np.float64]:
    """Law of all X outcomes, shape (2^n,), worker 0's bit highest."""
    hadamard = np.array([[1, 1], [1, -1]]) / math.sqrt(2)
    tensor = state.reshape((2,) * workers)
    for worker in range(workers):
        tensor = np.moveaxis(np.tensordot(hadamard, tensor, (1, worker)), 0, worker)
    return np.asarray(abs(tensor.ravel()) ** 2)


def _turned(state: NDArray[np.complex128], phases: list[float]) -> NDArray[np.complex128]:
    for worker, phase in enumerate(phases):
        bit = np.arange(len(state)) >> (len(phases) - 1 - worker) & 1
        state = state * np.exp(1j * phase * bit)
    return state


def _readout(words: tuple[int, ...], digits: int, *, product: bool = False) -> dict[str, float]:
    """Law of everything announced while ``digits`` digits are read from perfect copies.

    With ``product`` the copy of the lowest digit is |+⟩ⁿ instead: the eavesdropper's own make.
    """
    workers, total = len(words), sum(words) % 2**digits
    law = {"": 1.0}
    for digit in range(digits):
        known = total % 2**digit
        phases = [math.pi * word / 2**digit for word in words]
        phases[0] -= math.pi * known / 2**digit
        good = _ghz(workers)
        fake = np.full(2**workers, 2 ** (-workers / 2), np.complex128)
        outcomes = _measured_x(_turned(fake if product and digit == 0 else good, phases), workers)
        law = {
            said + f"{k:0{workers}b}": p * float(q)
            for said, p in law.items()
            for k, q in enumerate(outcomes)
            if q > 1e-12
        }
    return law


def _distance(one: dict[str, float], other: dict[str, float]) -> float:
    keys = one.keys() | other.keys()
    return sum(abs(one.get(k, 0.0) - other.get(k, 0.0)) for k in keys) / 2


def _mixed_readout(words: tuple[int, ...], share: float) -> dict[str, float]:
    """The same where a ``share`` of the rounds takes its lowest copy from the eavesdropper."""
    good, fake = _readout(words, 2), _readout(words, 2, product=True)
    keys = good.keys() | fake.keys()
    return {k: (1 - share) * good.get(k, 0.0) + share * fake.get(k, 0.0) for k in keys}


def _distance_of_rounds(rounds: int) -> float:
    """Distance of transcripts of equal sums over rounds of which a quarter are tampered with."""
    laws = [_mixed_readout(words, _SHARE) for words in ((0, 0, 0), (1, 1, 2))]
    joint = laws
    for _ in range(rounds - 1):
        joint = [
            {a + b: p * q for a, p in before.items() for b, q in law.items()}
            for before, law in zip(joint, laws, strict=True)
        ]
    return _distance(joint[0], joint[1])


def _two_rounds() -> float:
    """Half of Σ|A⊗A − B⊗B|: A, B share ¾ of a uniform law on four outcomes, and differ by two."""
    high, low = _SHARE + (1 - _SHARE) / 4, (1 - _SHARE) / 4
    return high**2 - low**2 + 4 * (high - low) * low


def _distance_of_copies() -> float:
    """Trace distance of a copy, |+⟩ⁿ with the probability of a quarter, from a GHZ state."""
    good, fake = _ghz(3), np.full(8, 8**-0.5)
    return _trace_distance(
        (1 - _SHARE) * np.outer(good, good.conj()) + _SHARE * np.outer(fake, fake),
        np.outer(good, good.conj()),
    )


_SHARE = 0.25


def _worst_distance(*, product: bool) -> float:
    """Largest distance of transcripts of equal sums: 3 workers, words of 2 bits, sums mod 4."""
    worst = 0.0
    for total in range(4):
        inputs = [w for w in itertools.product(range(4), repeat=3) if sum(w) % 4 == total]
        laws = [_readout(words, 2, product=product) for words in inputs]
        worst = max(worst, max(_distance(laws[0], law) for law in laws))
    return worst


def _coalition_distance() -> float:
    """Honest workers 0 and 1, and a coalition that measures its qubit in any basis it likes."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(200):
        total, first, second = rng.uniform(0, 2 * np.pi, 3)
        basis, _ = np.linalg.qr(rng.normal(size=(2, 2)) + 1j * rng.normal(size=(2, 2)))
        laws = []
        for split in (first, second):
            state = _turned(_ghz(3), [split, total - split, 0.0]).reshape(2, 2, 2)
            seen = np.tensordot(state, basis, (2, 1)).reshape(4, 2)
            honest = [_measured_x(seen[:, k], 2) for k in (0, 1)]
            laws.append(np.concatenate(honest))
        worst = max(worst, float(abs(laws[0] - laws[1]).sum() / 2))
    return worst


def _single_outcomes(rng: np.random.Generator, trials: int) -> Sums:
    """One worker's outcome in the simulated protocol, where all words are known."""
    totals = np.full(trials, 5, np.uint64)
    batch = Network().open(3, rng).copies().batch(totals, None)
    transcript = batch.announce(0, np.zeros(trials, np.uint64))
    return Sums.of(np.unpackbits(transcript.planes[1], count=trials))


# Classical protocols -------------------------------------------------------------------------


def _ring_transcript(words: tuple[int, ...]) -> tuple[int, ...]:
    """All that crosses the links when the words are summed around the ring, chunk by chunk."""
    workers = len(words)
    held = [[word if c == 0 else 0 for c in range(workers)] for word in words]
    said = []
    for hops in ring.all_reduce(workers):
        messages = [(hop, held[hop.src][hop.chunk]) for hop in hops]
        for hop, value in messages:
            said.append(value)
            own = held[hop.dst][hop.chunk]
            held[hop.dst][hop.chunk] = value + own if hop.action is Action.ADD else value
    return tuple(said)


def _information(pairs: Sequence[tuple[int, tuple[int, ...]]]) -> float:
    """Mutual information, in bits, of equally likely pairs."""
    joint, first, second = (
        Counter(pairs),
        Counter(a for a, _ in pairs),
        Counter(b for _, b in pairs),
    )
    total = len(pairs)
    return sum(
        n / total * math.log2(n * total / (first[a] * second[b])) for (a, b), n in joint.items()
    )


def _ring_leak() -> float:
    """I(X_1; M) for uniform words of 2 bits of 3 workers."""
    inputs = itertools.product(range(4), repeat=3)
    return _information([(words[1], _ring_transcript(words)) for words in inputs])


def _attacked(name: str, protocol: str) -> float:
    """Bits that an attack tells on a 2-bit word of 3 workers."""
    return attack(name, protocol, Setting(), np.random.default_rng(0)).leak_bits


def _flipped_leak() -> float:
    """Leak of a protocol that replaces X_1 by another word with probability 1/16, once in all."""
    pairs = []
    for word in range(4):
        pairs += [(word, (word,))] * 45
        pairs += [(word, (other,)) for other in range(4) if other != word]
    return _information(pairs)


# Rounds --------------------------------------------------------------------------------------


def _gaussian_leak(weights: NDArray[np.float64]) -> float:
    """Bits that sums Σ_i w_ti·x_i tell on x_0, for independent unit Gaussians that stay fixed.

    Exact: the conditional variance of x_0 given the sums, by least squares.
    """
    aim = np.zeros(weights.shape[1])
    aim[0] = 1.0
    coefficients, *_ = np.linalg.lstsq(weights.T, aim, rcond=None)
    explained = float(aim @ (weights.T @ coefficients))
    return -0.5 * math.log2(max(1e-300, 1 - explained))


def _noisy_leak(weights: NDArray[np.float64]) -> float:
    """The same with fresh unit noise of every worker in every round."""
    workers = weights.shape[1]
    noise = (weights**2).sum(axis=1)
    precision = np.eye(workers) + (weights.T / noise) @ weights
    return -0.5 * math.log2(float(np.linalg.inv(precision)[0, 0]))


def _missing_leak(rng: np.random.Generator, trials: int) -> Sums:
    found = []
    for _ in range(trials):
        present = (rng.random((1000, 10)) < 0.8).astype(np.float64)
        found.append(_noisy_leak(present[present.sum(axis=1) > 0]))
    return Sums.of(found)


def _trace_distance(a: NDArray[Any], b: NDArray[Any]) -> float:
    return float(abs(np.linalg.eigvalsh(a - b)).sum() / 2)


def _used_in_rounds(rng: np.random.Generator, trials: int) -> Sums:
    """Runs of four rounds in which a bad copy is used at last; she tries until one is.

    Four checks let a bad copy through with probability at most 1/16 a round; an abort ends a run.
    """
    strict = HashedVerification(epsilon=0.25, phase_checks=0)
    used = []
    for _ in range(trials):
        found = False
        for _ in range(4):
            one = verified(strict, bad_copies(1), 20, rng)
            found = one.data is not None and len(one.data.tampered) > 0
            if found or one.data is None:
                break
        used.append(found)
    return Sums.of(used)


def _bad_where_accepted(rng: np.random.Generator, trials: int) -> Sums:
    """Share of bad copies in accepted rounds: 2 tested, 2 used, all from a source of |+⟩ⁿ."""
    shares = []
    for _ in range(trials):
        found = verified(CutAndChoose(), PlusState(aim=Every()), 2, rng).data
        if found is not None:
            shares.append(len(found.tampered) / found.count)
    return Sums.of(shares)


def _pooled(rng: np.random.Generator, trials: int) -> Sums:
    """Squared noise of GHZ sums of 16 workers' integers, each with noise of variance 100."""
    noise = np.rint(rng.normal(scale=10.0, size=(16, trials))).astype(np.int64)
    method = Ghz(encoding=Integers(word_bits=10, signed=True))
    result = all_reduce(noise, method=method, rng=rng)
    return Sums.of(np.asarray(result.sum, np.float64) ** 2)


def _setup_carriers(method: Ghz | Superdense) -> int:
    words = np.random.default_rng(0).integers(0, 2**8, size=(4, 100))
    result = all_reduce(words, method=method, rng=np.random.default_rng(0))
    return result.ledger.total(Carrier.QUBIT, Phase.SETUP)


_WORDS = Integers(word_bits=8, signed=False)

CLAIMS = (
    Claim(
        id="definition-3",
        source="definition 3",
        title="The wiretapped model",
        says="Nodes share nothing beforehand; every channel of setup and online phase is exposed.",
        checked="That no protocol here gets a correlation for free: setup carriers of 4 workers "
        "and 100 words of 8 bits.",
        standing=Standing.EXACT,
        verdict=Verdict.DEFINITION,
        open_="Channels are authenticated by assumption; in practice that takes a short shared "
        "key, a setup of its own.",
        figures=(
            Exact(name="setup qubits, superdense", unit="qubits",
                  measured=lambda: _setup_carriers(Superdense(encoding=_WORDS)),
                  predicted=lambda: 2 * 3 * 100 * 10 // 2),
            Exact(name="setup qubits, GHZ", unit="qubits",
                  measured=lambda: _setup_carriers(Ghz(encoding=_WORDS)),
                  predicted=lambda: 3 * 100 * 10),
        ),
    ),
    Claim(
        id="definition-4",
        source="definition 4",
        title="ε-secure aggregation",
        says="A protocol is ε-secure if its run is within trace distance ε of an ideal one that "
        "tells the sum only; such distances compose additively.",
        checked="All transcripts of 3 workers' digit readouts where a quarter of the rounds takes "
        "its lowest copy from the eavesdropper: their distance at equal sums, one round and two.",
        standing=Standing.EXACT,
        verdict=Verdict.DEFINITION,
        figures=(
            Exact(name="distance of transcripts with equal sums, one round",
                  measured=lambda: _distance_of_rounds(1), predicted=lambda: _SHARE),
            Exact(name="distance after two rounds", measured=lambda: _distance_of_rounds(2),
                  predicted=_two_rounds, paper=lambda: 2 * _SHARE,
                  paper_relation=Relation.AT_MOST),
        ),
    ),
    Claim(
        id="theorem-2",
        source="theorem 2",
        title="No classical privacy on wiretapped setup",
        says="Every classical protocol that errs with ε leaks at least "
        "H(X) − h(ε) − ε·log(|X|−1) on a worker's word, at any cost.",
        checked="All transcripts of 3 workers with 2-bit words, with and without masks, and a "
        "protocol that errs once in 16, for which the bound is an equality.",
        standing=Standing.BOUND,
        verdict=Verdict.HOLDS,
        open_="A stronger statement is true of exact protocols: the transcript tells every word. "
        "That no cleverer protocol exists rests on the cited key-agreement bound.",
        figures=(
            Exact(name="leak of the classical ring", unit="bits", measured=_ring_leak,
                  predicted=lambda: classical_leak_at_least(2, 0), relation=Relation.AT_LEAST,
                  standing=Standing.BOUND, paper=lambda: 2, paper_relation=Relation.AT_LEAST),
            Exact(name="leak of pairwise masks whose keys crossed the wire", unit="bits",
                  measured=lambda: _attacked("wiretap", "masking"),
                  predicted=lambda: classical_leak_at_least(2, 0), relation=Relation.AT_LEAST,
                  standing=Standing.BOUND),
            Exact(name="leak at error 1/16", unit="bits", measured=_flipped_leak,
                  predicted=lambda: classical_leak_at_least(2, 1 / 16),
                  relation=Relation.AT_LEAST, standing=Standing.BOUND),
        ),
    ),
    Claim(
        id="lemma-1",
        source="lemma 1",
        title="A copy tells the sum only",
        says="With exact GHZ states the view of any coalition, broadcasts included, can be "
        "simulated from its own inputs and the honest sum.",
        checked="State vectors: 200 random splits of the same honest sum against a coalition that "
        "measures in a random basis; one worker's outcomes in the protocol.",
        standing=Standing.EXACT,
        verdict=Verdict.HOLDS,
        figures=(
            Exact(name="largest distance of views with equal sums", measured=_coalition_distance,
                  predicted=lambda: 0, paper=lambda: 0),
            Sampled(name="mean outcome of one worker, all words fixed", draw=_single_outcomes,
                    trials=20_000, predicted=lambda: 0.5),
        ),
    ),
    Claim(
        id="lemma-2",
        source="lemma 2",
        title="Perfect copies are perfectly private",
        says="On exact copies the protocol is exactly the ideal sum: nothing else leaks.",
        checked="All transcripts of 3 workers with 2-bit words, digits read one after another; "
        "the same with one copy replaced by |+⟩ⁿ shows what the test can see.",
        standing=Standing.EXACT,
        verdict=Verdict.HOLDS,
        figures=(
            Exact(name="largest distance of transcripts with equal sums",
                  measured=lambda: _worst_distance(product=False), predicted=lambda: 0,
                  paper=lambda: 0),
            Exact(name="the same, lowest copy tampered with",
                  measured=lambda: _worst_distance(product=True), predicted=lambda: 1),
        ),
    ),
    Claim(
        id="theorem-3",
        source="theorem 3",
        title="Many rounds tell the sums",
        says="T rounds reveal what the T sums reveal; for static Gaussian inputs, seen through the "
        "same linear functional each round, that is bounded whatever T is.",
        checked="Information of the sums on one worker's constant: 10 workers, the same weights "
        "in every round, and 80% participation in 1,000 rounds.",
        standing=Standing.EXACT,
        verdict=Verdict.HOLDS,
        open_="The same functional is needed: where participation varies, and with it the weights, "
        "1,000 sums tell 3.7 bits, not .076.",
        figures=(
            *(
                Exact(name=f"leak of {t:,} equal sums, n = 10", unit="bits", tolerance=1e-6,
                      measured=lambda t=t: _gaussian_leak(np.ones((t, 10))),  # type: ignore[misc]
                      predicted=lambda: leak_of_static_gaussian(10),
                      paper=lambda: 0.5 * math.log2(10 / 9))
                for t in (1, 1000)
            ),
            Sampled(name="leak at 80% participation, 1,000 rounds with unit noise", unit="bits",
                    draw=_missing_leak, trials=10, full=6,
                    predicted=lambda: 10 * leak_of_static_gaussian(10),
                    relation=Relation.AT_LEAST),
        ),
    ),
    Claim(
        id="pooled-noise",
        source="section 4.4",
        title="Noise pools",
        says="With sums only in the open, nodes add √n times less noise each than local "
        "differential privacy asks.",
        checked="Variance of noise in GHZ sums of 16 workers who add a standard deviation of 10 "
        "each: that of one release with 40.",
        standing=Standing.EXACT,
        verdict=Verdict.HOLDS,
        open_="The noise must be discrete and wrap with the words; dropouts take their share of "
        "it away: √h for h honest workers that stay.",
        figures=(
            Sampled(name="variance of the sum's noise", draw=_pooled, trials=4000, full=10,
                    predicted=lambda: 16 * (100 + 1 / 12), paper=lambda: 16 * (100 + 1 / 12)),
        ),
    ),
    Claim(
        id="lemma-3",
        source="lemma 3",
        title="Rounds add",
        says="If each round is ε-close to ideal, T rounds are Tε-close, adversaries adapting.",
        checked="Four rounds of 20 copies under four hashed checks each, whose eavesdropper sends "
        "a bad copy in every round until one is used: how often one is.",
        standing=Standing.BOUND,
        verdict=Verdict.HOLDS,
        open_="One verification a round is meant; verified coordinate by coordinate, d "
        "coordinates cost d·T·ε.",
        figures=(
            Sampled(name="runs of 4 rounds that use a bad copy", draw=_used_in_rounds, trials=600,
                    full=8, predicted=lambda: 4 / 16, relation=Relation.AT_MOST,
                    paper=lambda: 4 / 16, paper_relation=Relation.AT_MOST),
            Exact(name="distance of transcripts after two rounds that are each ¼ away",
                  measured=lambda: _distance_of_rounds(2),
                  predicted=_two_rounds, paper=lambda: 2 * _SHARE,
                  paper_relation=Relation.AT_MOST),
        ),
    ),
    Claim(
        id="proposition-1",
        source="proposition 1",
        title="Nearly perfect copies are nearly private",
        says="Conditioned on acceptance, if the surviving copies are ε-close to exact ones, the "
        "protocol is ε-secure for each coordinate.",
        checked="Copies of which a quarter are |+⟩ⁿ: their distance from GHZ states, and that of "
        "the transcripts; the bad share in accepted rounds of a source that sends |+⟩ⁿ only.",
        standing=Standing.BOUND,
        verdict=Verdict.CORRECTED,
        corrected="For the subnormalised accepted state. Conditioned on acceptance no verification "
        "can promise closeness: copies that are all bad pass with tiny probability, and then "
        "they are far from good.",
        figures=(
            Exact(name="distance of a copy from a GHZ state", measured=_distance_of_copies,
                  predicted=lambda: _SHARE * math.sqrt(3 / 4)),
            Exact(name="distance of transcripts with equal sums",
                  measured=lambda: _distance_of_rounds(1), predicted=lambda: _SHARE,
                  paper=lambda: 2 * _SHARE * math.sqrt(3 / 4), paper_relation=Relation.AT_MOST),
            Sampled(name="bad copies among those used, in accepted rounds of |+⟩ⁿ",
                    draw=_bad_where_accepted, trials=400, predicted=lambda: 1.0),
        ),
    ),
)  # fmt: skip

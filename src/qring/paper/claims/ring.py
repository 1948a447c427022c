"""Claims on the ring and on superdense coding: the abstract, sections 3.1 and 3.2, appendix A."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from qring.collectives.aggregate import Aggregate
from qring.collectives.all_reduce import all_reduce
from qring.collectives.ring import Classical, Superdense
from qring.encoding.formats import Width
from qring.encoding.values import Integers
from qring.ledger import Carrier, Ledger, Phase
from qring.network.coded.coding import Coding, Emulation
from qring.network.links import superdense
from qring.network.network import Network
from qring.network.noise import BellDiagonal
from qring.paper.claim import Claim, Exact, Relation, Sampled, Standing, Sums, Verdict
from qring.schedule import ring
from qring.schedule.hops import Action
from qring.theory.capacity import classical_tie_fidelity, superdense_capacity, werner_weights
from qring.theory.resources import RingResources

__all__ = ["CLAIMS"]

_SIZES = range(2, 17)


def _summed(workers: int, coords: int, *, quantum: bool) -> Aggregate:
    words = np.random.default_rng(0).integers(0, 2**16, size=(workers, coords))
    encoding = Integers(word_bits=16, signed=False)
    method = Superdense(encoding=encoding) if quantum else Classical(encoding=encoding)
    return all_reduce(words, method=method)


def _carriers(ledger: Ledger, phase: Phase) -> int:
    return ledger.total(Carrier.QUBIT, phase) + ledger.total(Carrier.BIT, phase)


def _busiest_ratio() -> float:
    quantum = _summed(8, 1000, quantum=True).ledger.busiest(Phase.ONLINE, Carrier.QUBIT)
    return quantum / _summed(8, 1000, quantum=False).ledger.busiest(Phase.ONLINE, Carrier.BIT)


def _predicted_ratio() -> float:
    load = RingResources(workers=8, coords=1000, word_bits=16)
    quantum, classical = load.ledger("superdense"), load.ledger("classical")
    return quantum.busiest(Phase.ONLINE, Carrier.QUBIT) / classical.busiest(
        Phase.ONLINE, Carrier.BIT
    )


def _delivered_bits_a_qubit() -> float:
    """Bits that arrive right over the qubits charged, on one link."""
    run = Network().open(2)
    sent = np.arange(256, dtype=np.uint8)
    message = sent.copy()
    run.link(superdense, 0, 1).carry(message, 8 * len(sent))
    right = 8 * len(sent) - int(np.unpackbits(message ^ sent).sum())
    return right / run.ledger().on(0, 1, Phase.ONLINE, Carrier.QUBIT)


def _same_floats() -> float:
    rows = np.random.default_rng(1).normal(size=(5, 1000)).astype(np.float32)
    quantum, classical = (all_reduce(rows, method=m()).sums for m in (Superdense, Classical))
    return float(quantum.tobytes() == classical.tobytes())


def _odd_run(quantum: bool) -> Ledger:
    words = np.random.default_rng(0).integers(0, 2**5, size=(3, 7))
    encoding = Integers(word_bits=5, signed=False, width=Width.GROWING)
    method = Superdense(encoding=encoding) if quantum else Classical(encoding=encoding)
    return all_reduce(words, method=method).ledger


def _odd_prediction() -> RingResources:
    return RingResources(workers=3, coords=7, word_bits=5, width="growing")


def _emitted_over_cut(workers: int) -> float:
    """Bits that worker 0 sends in one phase over the d·b bits that must leave it."""
    rows = np.zeros((workers, 840), np.float32)
    ledger = all_reduce(rows, method=Classical()).ledger
    sent = sum(e.count for e in ledger if e.src == 0)
    return sent / (840 * 32)


def _flooding_rounds(workers: int) -> int:
    """Rounds until everybody can know everybody's input, if all say all they know to both sides."""
    known = [{k} for k in range(workers)]
    rounds = 0
    while any(len(k) < workers for k in known):
        known = [known[k] | known[k - 1] | known[(k + 1) % workers] for k in range(workers)]
        rounds += 1
    return rounds


def _replayed(workers: int, rounds: int) -> list[list[set[int]]]:
    """Whose words each worker's chunks hold after so many rounds of the schedule."""
    held = [[{w} for _ in range(workers)] for w in range(workers)]
    for hops in itertools.islice(ring.all_reduce(workers), rounds):
        arrived = [(hop, set(held[hop.src][hop.chunk])) for hop in hops]
        for hop, words in arrived:
            own = held[hop.dst][hop.chunk]
            held[hop.dst][hop.chunk] = words | own if hop.action is Action.ADD else words
    return held


def _full_chunks(workers: int, rounds: int) -> set[int]:
    """Numbers of fully reduced chunks that workers hold; one number if all hold as many."""
    held = _replayed(workers, rounds)
    return {sum(len(chunk) == workers for chunk in own) for own in held}


def _bell_states() -> NDArray[np.float64]:
    """Rows: what I, X, Z and ZX on the sender's half make of (|00⟩+|11⟩)/√2."""
    pair = np.array([1, 0, 0, 1]) / np.sqrt(2)
    x, z = np.array([[0, 1], [1, 0]]), np.diag([1, -1])
    return np.array([np.kron(p, np.eye(2)) @ pair for p in (np.eye(2), x, z, z @ x)])


def _overlap_of_different() -> float:
    overlaps = np.abs(_bell_states() @ _bell_states().T)
    return float((overlaps - np.diag(np.diag(overlaps))).max())


def _intact_pairs(rng: np.random.Generator, trials: int) -> Sums:
    message = np.zeros(-(-trials // 4), np.uint8)
    noise = BellDiagonal.werner(0.95)
    Network(noise=noise).open(2, rng).link(superdense, 0, 1).carry(message, 2 * trials)
    labels = (message[:, None] >> np.array([6, 4, 2, 0], np.uint8) & np.uint8(3)).ravel()[:trials]
    return Sums.of(labels == 0)


def _coded_goodput(fidelity: float) -> float:
    """Payload bits an online carrier of a long message, losses drawn at calibrated rates."""
    noise, size = BellDiagonal.werner(fidelity), 4_000_000
    coding = Coding(emulation=Emulation.CALIBRATED)
    run = Network(noise=noise, coding=coding).open(2, np.random.default_rng(0))
    run.link(superdense, 0, 1).carry(np.empty(size, np.uint8), 8 * size)
    return 8 * size / _carriers(run.ledger(), Phase.ONLINE)


def _coded_break_even() -> float:
    """Bisect for the fidelity below which plain bits go."""
    low, high = 0.75, 0.95
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if _coded_goodput(middle) > 1 else (middle, high)
    return high


def _excess(quantum: Ledger, classical: Ledger) -> int:
    both = _carriers(quantum, Phase.SETUP) + _carriers(quantum, Phase.ONLINE)
    return both - _carriers(classical, Phase.ONLINE)


CLAIMS = (
    Claim(
        id="headline-factor-two",
        source="abstract; section 3.2",
        title="Factor two online",
        says="Superdense coding reduces online communication of every ring link by exactly a "
        "factor of two; the result does not change.",
        checked="Ledgers of both rings for 8 workers and 1,000 words of 16 bits; bits that arrive "
        "a qubit; sums of floats, bit for bit.",
        standing=Standing.EXACT,
        verdict=Verdict.CORRECTED,
        corrected="⌈bits/2⌉ qubits a message: half, but for an odd last bit. Online, per link, "
        "setup excluded, without noise.",
        figures=(
            Exact(name="online qubits over classical bits, busiest link",
                  measured=_busiest_ratio, predicted=_predicted_ratio, paper=lambda: 0.5),
            Exact(name="bits delivered a qubit", unit="bits", measured=_delivered_bits_a_qubit,
                  predicted=lambda: superdense_capacity((1.0, 0.0, 0.0, 0.0)), paper=lambda: 2),
            Exact(name="sums of float32 equal bit for bit", measured=_same_floats,
                  predicted=lambda: 1.0, paper=lambda: 1),
        ),
        see="qring train --compare",
    ),
    Claim(
        id="setup-pairs",
        source="section 3.1",
        title="One pair for two bits",
        says="Neighbours share beforehand one EPR pair for two classical bits that will cross "
        "their link.",
        checked="Pairs consumed by 3 workers that sum 7 words of 5 bits, whose messages have odd "
        "lengths.",
        standing=Standing.EXACT,
        verdict=Verdict.CORRECTED,
        corrected="Pairs are counted a message: ⌈bits/2⌉ each, since rounds follow one another. "
        "Partial sums need carry bits, which count as well.",
        figures=(
            Exact(name="pairs consumed", unit="ebits",
                  measured=lambda: _odd_run(quantum=True).totals.ebits,
                  predicted=lambda: _odd_prediction().total.qubits,
                  paper=lambda: _odd_run(quantum=False).totals.online_bits / 2),
            Exact(name="half of the classical bits", unit="pairs",
                  measured=lambda: _odd_run(quantum=False).totals.online_bits / 2,
                  predicted=lambda: _odd_prediction().total.qubits, relation=Relation.AT_MOST),
        ),
    ),
    Claim(
        id="cut-bound",
        source="section 3.2, after remark 1",
        title="The ring meets the cut bound",
        says="Every cut must pass the entropy of the sum in the online phase, and the protocol "
        "meets that lower bound.",
        checked="Bits that one worker sends a phase over the bits that must leave it.",
        standing=Standing.EXACT,
        verdict=Verdict.FAILS,
        corrected="The factor two is tight: each bit the schedule sends rides at the "
        "entanglement-assisted capacity. The cut bound is loose: it asks a worker for one word a "
        "coordinate; 2(n−1)/n, which the ring emits, is the least of all schedules that forward "
        "items (Patarasuk and Yuan, JPDC 69, 2009). The two agree at n = 2 only.",
        figures=tuple(
            Exact(name=f"bits sent over bits needed, n = {n}",
                  measured=lambda n=n: _emitted_over_cut(n),  # type: ignore[misc]
                  predicted=lambda n=n: 2 * (n - 1) / n,  # type: ignore[misc]
                  paper=lambda: 1)
            for n in (2, 4, 8)
        ),
    ),
    Claim(
        id="remark-1",
        source="remark 1; appendix A.2",
        title="Lifetime carriers",
        says="Each online qubit consumes one pair, whose distribution cost one qubit on the same "
        "link; counting both phases, the carriers equal the classical baseline.",
        checked="Setup and online carriers of both rings, with odd and with even messages.",
        standing=Standing.EXACT,
        verdict=Verdict.CORRECTED,
        corrected="Equal, and up to one carrier a message more where a message has an odd last "
        "bit. Any noise makes the lifetime total strictly worse than classical.",
        figures=(
            Exact(name="excess over classical, messages of even length", unit="carriers",
                  measured=lambda: _excess(_summed(8, 1024, quantum=True).ledger,
                                           _summed(8, 1024, quantum=False).ledger),
                  predicted=lambda: RingResources(workers=8, coords=1024,
                                                  word_bits=16).lifetime_excess,
                  paper=lambda: 0),
            Exact(name="excess over classical, odd messages", unit="carriers",
                  measured=lambda: _excess(_odd_run(quantum=True), _odd_run(quantum=False)),
                  predicted=lambda: _odd_prediction().lifetime_excess, paper=lambda: 0),
            Exact(name="pairs consumed less qubits sent online",
                  measured=lambda: _odd_run(quantum=True).totals.ebits
                  - _odd_run(quantum=True).totals.online_qubits,
                  predicted=lambda: 0, paper=lambda: 0),
        ),
    ),
    Claim(
        id="rounds-unchanged",
        source="sections 1 and 3.2",
        title="Rounds stay",
        says="Round structure and latency are those of the classical ring: 2(n−1) rounds.",
        checked="Rounds in both ledgers for up to 16 workers.",
        standing=Standing.EXACT,
        verdict=Verdict.HOLDS,
        figures=(
            Exact(name="largest difference from 2(n−1), n = 2, 3, 5, 8, 16", unit="rounds",
                  measured=lambda: max(
                      abs(_summed(n, 2 * n, quantum=q).ledger.rounds
                          - RingResources(workers=n, coords=2 * n, word_bits=16).rounds)
                      for n in (2, 3, 5, 8, 16) for q in (False, True)),
                  predicted=lambda: 0, paper=lambda: 0),
        ),
    ),
    Claim(
        id="diameter",
        source="section 1",
        title="Round bound by the ring's diameter",
        says="No protocol confined to the ring, classical or quantum, with any entanglement, "
        "completes an all-reduce in fewer rounds than the ring's diameter.",
        checked="Light cones: rounds until every input can have reached every worker when "
        "everybody tells both neighbours all they know.",
        standing=Standing.BOUND,
        verdict=Verdict.HOLDS,
        open_="Entanglement carries no signal (no-communication theorem), which is cited. The "
        "ring all-reduce itself takes 2(n−1) rounds, about four times the bound.",
        figures=(
            Exact(name="largest difference of light cone and ⌊n/2⌋, n = 2 to 16", unit="rounds",
                  measured=lambda: max(abs(_flooding_rounds(n) - n // 2) for n in _SIZES),
                  predicted=lambda: 0, paper=lambda: 0),
            Exact(name="rounds of the ring all-reduce over the bound, n = 16",
                  measured=lambda: _summed(16, 32, quantum=True).ledger.rounds
                  / _flooding_rounds(16),
                  predicted=lambda: 1, relation=Relation.AT_LEAST, standing=Standing.BOUND),
        ),
    ),
    Claim(
        id="figure-1",
        source="section 3.2, figure 1",
        title="Chunks fill as drawn",
        says="After the scatter-reduce (n−1 rounds) each worker holds exactly one fully reduced "
        "chunk; after the all-gather (n−1 more) everybody holds all.",
        checked="Whose words each chunk holds, by replaying the schedule for 2 to 16 workers.",
        standing=Standing.EXACT,
        verdict=Verdict.HOLDS,
        figures=(
            Exact(name="rings with one full chunk a worker halfway, of 15",
                  measured=lambda: sum(_full_chunks(n, n - 1) == {1} for n in _SIZES),
                  predicted=lambda: 15, paper=lambda: 15),
            Exact(name="rings with all chunks full at the end, of 15",
                  measured=lambda: sum(_full_chunks(n, 2 * n - 2) == {n} for n in _SIZES),
                  predicted=lambda: 15, paper=lambda: 15),
        ),
    ),
    Claim(
        id="appendix-a",
        source="appendix A.1",
        title="Superdense coding",
        says="The four Pauli operations on one half turn the pair into four orthogonal Bell "
        "states, so that a Bell measurement returns both bits.",
        checked="State vectors of all four, and a link's own bits.",
        standing=Standing.EXACT,
        verdict=Verdict.HOLDS,
        figures=(
            Exact(name="largest overlap of two different states", measured=_overlap_of_different,
                  predicted=lambda: 0, paper=lambda: 0),
            Exact(name="bits delivered a qubit", unit="bits", measured=_delivered_bits_a_qubit,
                  predicted=lambda: 2, paper=lambda: 2),
        ),
    ),
    Claim(
        id="noise-erodes",
        source="section 6",
        title="Noise erodes the factor",
        says="Fidelity loss of real hardware erodes the factor two and needs an analysis of its "
        "own.",
        checked="Share of intact pairs over a link of fidelity .95; the capacity of Werner pairs.",
        standing=Standing.ASYMPTOTIC,
        verdict=Verdict.HOLDS,
        open_="Here is the analysis: capacity 2 − H(λ) bits a qubit; 1.63 at F = .95, and no "
        "better than a classical link at F = .8107 (asymptotic rates). Codes that are run reach "
        "1.50 bits at F = .95, parity, checks and retransmissions included, and end with the "
        "advantage near F = .86 (--code auto).",
        figures=(
            Sampled(name="pairs that arrive intact, F = .95", draw=_intact_pairs, trials=50_000,
                    predicted=lambda: 0.95),
            Exact(name="bits a qubit at the fidelity where the advantage ends", unit="bits",
                  measured=lambda: superdense_capacity(werner_weights(0.8107103750)),
                  predicted=lambda: superdense_capacity(werner_weights(classical_tie_fidelity())),
                  tolerance=1e-8, standing=Standing.ASYMPTOTIC),
            Exact(name="payload bits a carrier over coded links, F = .95, below capacity",
                  unit="bits", measured=lambda: _coded_goodput(0.95),
                  predicted=lambda: superdense_capacity(werner_weights(0.95)),
                  relation=Relation.AT_MOST, standing=Standing.SAMPLED),
            Exact(name="least fidelity at which a coded link beats classical bits",
                  measured=_coded_break_even, predicted=classical_tie_fidelity,
                  relation=Relation.AT_LEAST, standing=Standing.SAMPLED),
        ),
        see="python -c 'import qring.theory.capacity as c; print(c.classical_tie_fidelity())'",
    ),
)  # fmt: skip

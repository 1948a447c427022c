"""The claims on other topologies than the ring: the outlook in section 6."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from qring.collectives.all_reduce import all_reduce
from qring.collectives.ghz.method import Ghz
from qring.collectives.ring import Classical, Superdense
from qring.encoding.values import Integers
from qring.ledger import Carrier, Phase
from qring.network.wiring import Distribution
from qring.paper.claim import Claim, Exact, Standing, Verdict
from qring.schedule.account import account
from qring.schedule.schedule import Collective
from qring.schedule.topology import Topology
from qring.security.leakage.laboratory import attack
from qring.security.leakage.report import Setting
from qring.theory.sharing import sharing
from qring.theory.topologies import TopologyResources

__all__ = ["CLAIMS"]

_WORKERS, _COORDS, _BITS = 6, 120, 16
_TOPOLOGIES = ("ring", "bidirectional", "tree", "double-tree", "doubling", "halving", "shards",
               "server", "hierarchical:3x2")  # fmt: skip


@lru_cache(maxsize=1)
def _link_ratios() -> tuple[float, ...]:
    """Online qubits over classical bits on every link of every topology."""
    rows = np.random.default_rng(0).integers(0, 2**_BITS, size=(_WORKERS, _COORDS))
    encoding = Integers(word_bits=_BITS, signed=False)
    found = []
    for text in _TOPOLOGIES:
        quantum = all_reduce(rows, method=Superdense(encoding=encoding), topology=text).ledger
        classical = all_reduce(rows, method=Classical(encoding=encoding), topology=text).ledger
        ends = {(entry.src, entry.dst) for entry in classical}
        found += [
            quantum.on(src, dst, Phase.ONLINE, Carrier.QUBIT)
            / classical.on(src, dst, Phase.ONLINE, Carrier.BIT)
            for src, dst in ends
        ]
    return tuple(found)


def _predicted_worst() -> float:
    worst = 0.0
    for text in _TOPOLOGIES:
        form = TopologyResources(topology=text, workers=_WORKERS, coords=_COORDS, word_bits=_BITS)
        quantum, classical = form.ledger("superdense"), form.ledger("classical")
        for entry in classical:
            sent = quantum.on(entry.src, entry.dst, Phase.ONLINE, Carrier.QUBIT)
            worst = max(worst, sent / entry.count)
    return worst


def _largest_volume() -> float:
    """Bits over all links that five topologies put there, at most, for words of one bit."""
    found = []
    for text in ("ring", "halving", "shards", "double-tree", "hierarchical:4x2"):
        schedule = Topology(text).schedule(Collective.ALL_REDUCE, 8)
        ledger = account(schedule, 840, lambda words, _: words, quantum=False)
        found.append(ledger.total(Carrier.BIT))
    return max(found)


def _predicted_volume() -> float:
    return max(
        TopologyResources(topology=text, workers=8, coords=840, word_bits=1).total_words
        for text in ("ring", "halving", "shards", "double-tree", "hierarchical:4x2")
    )


def _wrong_sums() -> int:
    """Sums that a GHZ aggregation gets wrong, over all distributions of its copies."""
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 8, size=(5, 20))
    wrong = 0
    for distribution in Distribution:
        method = Ghz(encoding=Integers(word_bits=3, signed=False), distribution=distribution)
        result = all_reduce(rows, method=method, rng=rng)
        wrong += int((result.sum != rows.sum(axis=0)).sum())
    return wrong


def _most_told() -> float:
    """Bits that a tampered copy tells of a word under ``private``, at most over distributions."""
    return max(
        attack(
            "plus-state", "private", Setting(rounds=40, distribution=distribution),
            np.random.default_rng(2),
        ).leak_bits
        for distribution in Distribution
    )  # fmt: skip


def _pairs_of_a_copy(distribution: Distribution) -> float:
    """Pairs that sharing one copy among 16 workers consumes, by the account of a run."""
    encoding = Integers(word_bits=1, signed=False)
    method = Ghz(encoding=encoding, distribution=distribution)
    result = all_reduce(np.ones((16, 1), np.int64), method=method, rng=np.random.default_rng(3))
    return result.ledger.total(Carrier.EBIT) / result.copies_per_coordinate


CLAIMS = (
    Claim(
        id="topology-saving",
        source="section 6",
        title="The saving goes with any topology",
        says="The saving of superdense coding on a link transfers to any topology directly.",
        checked="Online carriers of every link of nine topologies, run on six workers; their "
        "volumes in closed form.",
        standing=Standing.EXACT,
        verdict=Verdict.HOLDS,
        open_="Half of each message, rounded up to a whole qubit. The busiest link, the rounds and "
        "the critical path are the topology's; only the carriers on them are halved. Inside a host "
        "one would keep classical bits: hierarchical topologies carry what each level has.",
        figures=(
            Exact(name="qubits over bits on a link, the largest of nine topologies",
                  measured=lambda: max(_link_ratios()), predicted=_predicted_worst,
                  paper=lambda: 0.5, tolerance=0.005),
            Exact(name="qubits over bits on a link, the smallest of nine topologies",
                  measured=lambda: min(_link_ratios()), predicted=lambda: 0.5),
            Exact(name="words over all links, n = 8, D = 840: ring, halving, shards, trees, levels",
                  unit="words", measured=_largest_volume, predicted=_predicted_volume,
                  paper=lambda: 2 * 7 * 840),
        ),
        see="qring allreduce worker*.npy --topology halving",
    ),
    Claim(
        id="topology-ghz",
        source="section 6",
        title="GHZ sums do not care how copies are shared",
        says="The GHZ encoding is largely topology-agnostic; its security depends on how the GHZ "
        "state is distributed and verified.",
        checked="Sums on copies from a star, a chain and a tree of fused pairs, and groups joined "
        "by pairs; one tampered copy under private, by enumeration of every view.",
        standing=Standing.EXACT,
        verdict=Verdict.CORRECTED,
        corrected="The security of tested copies does not depend on it either: tests are drawn "
        "after receipt, so that whoever makes or fuses states is only one more source that may "
        "lie. What depends on it is whom untested copies trust (one maker in a star, every inner "
        "node of a tree), the steps (1, n−1, ⌊log₂ n⌋, √n + 1) and the memory.",
        figures=(
            Exact(name="wrong sums over all distributions", measured=_wrong_sums,
                  predicted=lambda: 0),
            Exact(name="bits that a tampered copy tells under private, the most", unit="bits",
                  measured=_most_told, predicted=lambda: 0),
            Exact(name="pairs of a copy over a tree, 16 workers", unit="ebits",
                  measured=lambda: _pairs_of_a_copy(Distribution.TREE_PAIRS),
                  predicted=lambda: sharing(16, "tree-pairs").pairs),
            Exact(name="pairs of a copy over groups, 16 workers", unit="ebits",
                  measured=lambda: _pairs_of_a_copy(Distribution.GROUPS),
                  predicted=lambda: sharing(16, "groups").pairs),
        ),
        see="qring attack --attack plus-state --protocol private --distribute tree-pairs",
    ),
)  # fmt: skip

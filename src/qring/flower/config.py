"""One value that clients and server share: how updates become words, and what is insisted on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qring.collectives.dropouts import OnDropout, check_answer
from qring.encoding.values import BitBudget, FixedPoint, OutOfRange
from qring.errors import BudgetError, InputError
from qring.security.dp.calibration import calibrate
from qring.security.dp.encoding import DistributedGaussian
from qring.security.dp.plan import Plan, Promise
from qring.security.secagg.graph import Neighbours
from qring.security.secagg.messages.offer import Offer
from qring.validate import check_enum, check_instance, check_real, check_whole

__all__ = ["SecureSum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureSum:
    """Secure sums of clients' updates. The mod and the strategy get the same value.

    Args:
        limit: largest |entry| of an update, trained less received parameters.
        word_bits: bits of an update's word; its step is limit / (2^(b−1) − 1).
        out_of_range: whether larger entries are refused, so that the client is lost to the round,
            or clipped.
        max_examples: largest example count; averages are weighted by counts, exactly. None weighs
            all clients alike.
        weight_key: the count's name among the metrics of a client's reply.
        promise: adds noise for (ε, δ) over all rounds, after clipping updates to its length;
            clients then weigh alike. The noise is shared out among all sampled clients.
        may_drop: clients whose noise may be missing, with a promise.
        on_dropout: RECOVER sums those that are left, ABORT gives up the round.
        neighbours: rates for a sparse graph of many clients; all are neighbours unless given.
        directory: Ed25519 public keys by Flower's node number; with it everything is signed.
        withstands: clients that may collude with a server that lies.
        timeout_s: after which a client counts as lost, at each stage but training.
        clear_metrics: names of client metrics that are sent in the clear and averaged; all others
            stay with the client.
    """

    limit: float = 1.0
    word_bits: int = 20
    out_of_range: OutOfRange = OutOfRange.REFUSE
    max_examples: int | None = 10_000
    weight_key: str = "num-examples"
    promise: Promise | None = None
    may_drop: int = 0
    on_dropout: OnDropout = OnDropout.RECOVER
    neighbours: Neighbours | None = None
    directory: Mapping[int, bytes] | None = field(default=None, repr=False)
    withstands: int = 1
    timeout_s: float = 60.0
    clear_metrics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_real("limit", self.limit, above=0)
        check_whole("word_bits", self.word_bits, least=2)
        check_enum("out_of_range", self.out_of_range, OutOfRange)
        if self.max_examples is not None:
            check_whole("max_examples", self.max_examples, least=1)
        check_whole("may_drop", self.may_drop, least=0)
        check_whole("withstands", self.withstands, least=0)
        check_real("timeout_s", self.timeout_s, above=0)
        check_answer(self.on_dropout, (OnDropout.RECOVER, OnDropout.ABORT), "a federated sum")
        if self.promise is not None:
            check_instance("promise", self.promise, Promise, "qring.Promise(epsilon=..., ...)")
        elif self.may_drop:
            raise InputError("may_drop shares out noise: give a promise too")

    @property
    def _fixed(self) -> FixedPoint:
        return FixedPoint(
            word_bits=self.word_bits, limit=self.limit, out_of_range=self.out_of_range
        )

    @property
    def step(self) -> float:
        """Value of a word's last bit, in the parameters' units; without a promise."""
        return self._fixed.step

    def plan(self, clients: int, coords: int) -> Plan | None:
        """The mechanism that keeps the promise; none without one."""
        if self.promise is None:
            return None
        return calibrate(
            self.promise, workers=clients, coords=coords, word_bits=self.word_bits,
            may_drop=self.may_drop,
        )  # fmt: skip

    def budget(self, clients: int) -> BitBudget:
        """Bits of a word and of the sum.

        Raises:
            BudgetError: the sum would not fit 62 bits.
        """
        if self.promise is not None:
            return BitBudget(self.word_bits, 0, self.word_bits)
        return BitBudget.of(self.word_bits, clients * (self.max_examples or 1))

    def describe(self, clients: int, coords: int) -> str:
        """The bit budget, in one line."""
        plan = self.plan(clients, coords)
        if plan is not None:
            return str(plan)
        weights = "weighed alike" if self.max_examples is None else (
            f"weighted by up to {self.max_examples:,} examples each"
        )  # fmt: skip
        return (
            f"{self.budget(clients)}: {coords:,} coordinates of {clients} clients, {weights}, "
            f"|update| up to {self.limit:g} in steps of {self.step:.3g}"
        )

    def offer(self, members: tuple[int, ...], coords: int, **terms: Any) -> Offer:  # noqa: ANN401
        """Offer of the server to these members for a model of ``coords`` parameters."""
        plan = self.plan(len(members), coords)
        if plan is not None:
            terms["fewest"] = max(plan.fewest, 3)
        if self.on_dropout is OnDropout.ABORT:
            terms["fewest"] = len(members)
        if self.neighbours is None:
            terms["threshold"] = (len(members) + self.withstands) // 2 + 1
        return Offer.among(
            members,
            self.neighbours,
            words=coords + 1 if plan is None else plan.padded,
            sum_bits=self.budget(len(members)).sum_bits,
            signed=self.directory is not None,
            **terms,
        )

    def check_offer(self, offer: Offer, coords: int) -> None:
        """Refuse an offer that is not this configuration's.

        Raises:
            InputError: it differs; the server has another configuration, or lies.
        """
        mine = self.offer(
            offer.members, coords, nonce=offer.nonce, round=offer.round, model=offer.model,
            seed=offer.seed,
        )  # fmt: skip
        if mine.packed != offer.packed:
            raise InputError(
                f"the server offers sums of {offer.words} words, {offer.sum_bits} bits, threshold "
                f"{offer.threshold}; this client's configuration makes it {mine.words} in "
                f"{mine.sum_bits} bits, threshold {mine.threshold}: give both sides the same"
            )

    def words(self, update: NDArray[Any], examples: int, offer: Offer) -> NDArray[np.uint64]:
        """One client's words: weighted steps and the weight, or noisy words.

        Raises:
            InputError: NaN, or infinity.
            BudgetError: entries beyond the limit, or more examples than the budget has room for.
        """
        plan = self.plan(len(offer.members), len(update))
        if plan is not None:
            noisy: NDArray[np.uint64] = DistributedGaussian(plan=plan).encode(update[None])[0][0]
            return noisy
        weight = 1 if self.max_examples is None else examples
        if not 1 <= weight <= (self.max_examples or 1):
            raise BudgetError(
                f"a client trained on {weight} examples; the bit budget has room for "
                f"1..{self.max_examples}: raise max_examples"
            )
        words = self._fixed.encode(update[None])[0][0] * np.uint64(weight)
        return np.append(words, np.uint64(weight))

    def mean(
        self, total: NDArray[Any], offer: Offer, contributors: int, coords: int
    ) -> tuple[NDArray[np.float64], int]:
        """Mean update of the contributors, and what they weigh together."""
        plan = self.plan(len(offer.members), coords)
        if plan is not None:
            noisy = DistributedGaussian(plan=plan).decode(total.astype(np.uint64), contributors)
            return noisy / contributors, contributors
        weight = int(total[-1])
        sums = self._fixed.decode(total[:-1].astype(np.uint64), weight)
        return sums / weight, weight

    def epsilon(self, clients: int, coords: int, rounds: int) -> float:
        """ε after ``rounds`` rounds, at the promise's δ; infinite without a promise."""
        from qring.security.dp.accountant import spent_after

        plan = self.plan(clients, coords)
        return math.inf if plan is None else spent_after(plan, rounds)

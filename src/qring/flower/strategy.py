"""The server's side: a mixin that lets any averaging strategy of Flower see means only."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from qring.errors import InputError, PeerError
from qring.flower.config import SecureSum
from qring.flower.mod import RECORD, message_in
from qring.flower.model import digest, flat, shaped
from qring.security.secagg.messages.server import Server
from qring.validate import check_instance

__all__ = ["SecureAggregation"]

_LOG = logging.getLogger("flwr")
_SINGLE = ("Krum", "MultiKrum", "Bulyan", "FedMedian", "FedTrimmedAvg", "QFedAvg",
           "FedXgbBagging", "FedXgbCyclic")  # fmt: skip


class SecureAggregation(Strategy):
    """Put it left of a strategy: ``class Private(SecureAggregation, FedAdam): ...``.

    The strategy samples clients and updates the model as ever; of their updates it gets the
    weighted mean, as the reply of one client. Every round's metrics hold ``qring-contributors``,
    ``qring-lost``, ``qring-bytes``, ``qring-seconds`` and, with a promise, ``qring-epsilon``; a
    round without a sum has ``qring-aborted`` instead, and leaves the model as it was. Once the
    promise's rounds are spent nobody is asked to train.

    Args:
        secure: how to sum; the clients' mod has the same value.

    Raises:
        InputError: a strategy that looks at single updates, such as Krum or the median.
    """

    def __init__(self, *settings: Any, secure: SecureSum, **named: Any) -> None:  # noqa: ANN401
        super().__init__(*settings, **named)
        check_instance("secure", secure, SecureSum, "qring.flower.SecureSum(...)")
        single = [kind.__name__ for kind in type(self).__mro__ if kind.__name__ in _SINGLE]
        if single:
            raise InputError(
                f"{single[0]} looks at single updates, which secure aggregation hides; use a "
                "strategy that averages, such as FedAvg, FedProx or FedAdam"
            )
        self.secure = secure
        self.spent_rounds = 0
        self._grid: Grid | None = None
        self._round: _Round | None = None

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Agree on keys with the clients that the strategy samples; then send the model.

        Raises:
            BudgetError: sums that no words hold, before anybody trains.
        """
        promise = self.secure.promise
        if promise is not None and self.spent_rounds >= promise.rounds:
            _LOG.warning("qring: the promise's %d rounds are spent; no training", promise.rounds)
            self._round = None
            return []
        messages = list(
            super().configure_train(server_round, arrays, config, grid)  # type: ignore[safe-super]
        )
        if not messages:
            return messages
        self._grid = grid
        sent = next(iter(messages[0].content.array_records.values()))
        nodes = tuple(message.metadata.dst_node_id for message in messages)
        coords = len(flat(sent))
        if self.spent_rounds == 0:
            _LOG.info("qring: %s", self.secure.describe(len(nodes), coords))
        offer = self.secure.offer(
            nodes, coords, nonce=os.urandom(16), round=server_round, model=digest(sent),
            seed=os.urandom(32),
        )  # fmt: skip
        if self.spent_rounds == 0 and self.secure.neighbours is not None:
            _LOG.info("qring: %s", self.secure.neighbours.plan(len(nodes)))
        self._round = current = _Round(Server(offer, self.secure.directory), sent)
        kind = messages[0].metadata.message_type
        for _ in ("keys", "shares"):
            current.exchange(grid, kind, self.secure.timeout_s)
        current.trains = time.perf_counter()
        found = {message.metadata.dst_node_id: message for message in messages}
        return [
            Message(
                RecordDict({**found[node].content, RECORD: ConfigRecord({"message": body})}),
                dst_node_id=node, message_type=kind, group_id=str(server_round),
            )
            for node, body in current.outbox.items()
        ]  # fmt: skip

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Take masks off the sum; hand its mean to the strategy."""
        current, grid = self._round, self._grid
        self._round = None
        if current is None or grid is None:
            return None, None
        current.seconds -= time.perf_counter() - current.trains  # others train meanwhile
        kept = current.take(replies)
        current.outbox = current.closed()
        while current.outbox:
            current.exchange(grid, "train", self.secure.timeout_s)
        self.spent_rounds += 1
        server = current.server
        metrics = current.metrics(self.secure, self.spent_rounds)
        if server.ended is not None or not kept:
            reason = "no reply" if server.ended is None else server.ended.value
            _LOG.warning("qring: round %d has no sum: %s", server_round, reason)
            return None, MetricRecord({**metrics, "qring-aborted": 1})
        before = flat(current.arrays)
        update, weight = self.secure.mean(
            server.total, server.offer, len(server.contributors), len(before)
        )
        clear = _averaged([reply.content for reply in kept], self.secure.clear_metrics)
        key = getattr(self, "weighted_by_key", self.secure.weight_key)
        kept[0].content = RecordDict(
            {
                "arrays": shaped(before + update, current.arrays),
                "metrics": MetricRecord({**clear, key: float(weight)}),
            }
        )
        aggregated, told = super().aggregate_train(  # type: ignore[safe-super]
            server_round, kept[:1]
        )
        return aggregated, MetricRecord({**(told or {}), **metrics})


class _Round:
    """One secure sum under way."""

    def __init__(self, server: Server, arrays: ArrayRecord) -> None:
        self.server, self.arrays = server, arrays
        self.sent_bytes = 0
        self.seconds = -time.perf_counter()
        self.trains = 0.0
        self.outbox = dict.fromkeys(server.offer.members, server.offer.packed)

    def exchange(self, grid: Grid, kind: str, timeout_s: float) -> None:
        """Send what is to be sent, and take the answers of one stage."""
        messages = [
            Message(
                RecordDict({RECORD: ConfigRecord({"message": body})}),
                dst_node_id=node, message_type=kind,
            )
            for node, body in self.outbox.items()
        ]  # fmt: skip
        if messages:
            self.take(grid.send_and_receive(messages, timeout=timeout_s))
            self.sent_bytes += sum(map(len, self.outbox.values()))
        self.outbox = self.closed()

    def take(self, replies: Iterable[Message]) -> list[Message]:
        """Hand replies to the server; who sends an error, or nonsense, is lost."""
        kept = []
        for reply in replies:
            if reply.has_error() or RECORD not in reply.content:
                continue
            try:
                self.server.receive(message_in(reply))
            except PeerError as error:
                _LOG.warning("qring: node %d: %s", reply.metadata.src_node_id, error)
                continue
            kept.append(reply)
        return kept

    def closed(self) -> dict[int, bytes]:
        """End the stage; the next messages, by node."""
        members = self.server.offer.members
        return {members[worker]: body for worker, body in self.server.close().items()}

    def metrics(self, secure: SecureSum, rounds: int) -> dict[str, int | float]:
        """The round in figures. Seconds are those of the protocol, training left out."""
        clients, coords = len(self.server.offer.members), len(flat(self.arrays))
        found: dict[str, int | float] = {
            "qring-contributors": len(self.server.contributors),
            "qring-lost": clients - len(self.server.contributors),
            "qring-bytes": self.server.received_bytes + self.sent_bytes,
            "qring-seconds": self.seconds + time.perf_counter(),
        }
        if secure.promise is not None:
            found["qring-epsilon"] = secure.epsilon(clients, coords, rounds)
        return found


def _averaged(contents: list[RecordDict], names: tuple[str, ...]) -> Mapping[str, float]:
    """Plain means of the metrics that clients sent in the clear."""
    records: list[Any] = [next(iter(content.metric_records.values()), {}) for content in contents]
    found = {}
    for name in names:
        values = [float(record[name]) for record in records if name in record]
        if values:
            found[name] = float(np.mean(values))
    return found

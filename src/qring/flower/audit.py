"""Audits of rounds: what share of the aggregate lies in clients' private subspaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray

from qring.conflict.subspace.audit import subspace_audit
from qring.conflict.subspace.rivals import best_subspace_rival
from qring.conflict.subspace.span import Subspace
from qring.errors import InputError
from qring.flower.model import flat
from qring.validate import check_probability, check_rng, check_whole

__all__ = ["SubspaceAudits"]


class SubspaceAudits(Strategy):
    """Put it left of a strategy: ``class Audited(SubspaceAudits, FedAvg): ...``.

    Every ``every`` rounds the step that the strategy takes is audited for each client's subspace;
    the round's metrics get ``qring-share-NAME`` with ``-low`` and ``-high``, and once
    ``qring-audit-qubits`` and ``qring-audit-rival-bits``: copies are sent to every client, one
    classical broadcast would serve them all. The step itself stays as it is. It is simulated: the
    server knows all subspaces here, which in a quantum network only their clients would.

    Args:
        spans: the clients' subspaces by name, over the model's entries in order.
        every: rounds between audits.
        epsilon: accuracy of each share, in (0, 1).
        delta: probability of a larger error, in (0, 1).
        rng: source of the measurements' outcomes.

    Raises:
        InputError: no subspaces, or ε, δ or ``every`` outside their ranges.
    """

    def __init__(
        self,
        *settings: Any,  # noqa: ANN401 - the strategy's own
        spans: Mapping[str, Subspace],
        rng: np.random.Generator,
        every: int = 1,
        epsilon: float = 0.1,
        delta: float = 0.05,
        **named: Any,  # noqa: ANN401 - the strategy's own
    ) -> None:
        super().__init__(*settings, **named)
        check_whole("every", every, least=1)
        check_probability("epsilon", epsilon, zero=False, one=False)
        check_probability("delta", delta, zero=False, one=False)
        check_rng(rng)
        if not spans:
            raise InputError("there is no subspace to audit; give one a client, by name")
        self.spans, self.rng = dict(spans), rng
        self.every, self.epsilon, self.delta = every, epsilon, delta
        self._before: NDArray[np.float64] = np.empty(0)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Keep the model of the round's start.

        Raises:
            InputError: a subspace of another number of entries.
        """
        self._before = flat(arrays)
        for name, span in self.spans.items():
            if span.coords != len(self._before):
                raise InputError(
                    f"the subspace of {name!r} has {span.coords} coordinates, but the model "
                    f"{len(self._before)}"
                )
        return super().configure_train(server_round, arrays, config, grid)  # type: ignore[safe-super]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Let the strategy aggregate; audit its step when that is due."""
        after, metrics = super().aggregate_train(server_round, replies)  # type: ignore[safe-super]
        if after is None or (server_round - 1) % self.every:
            return after, metrics
        step = flat(after) - self._before
        if not np.any(step):
            return after, metrics
        found: dict[str, int | float] = {"qring-audit-qubits": 0, "qring-audit-rival-bits": 0}
        for name, span in self.spans.items():
            told = subspace_audit(step, span, epsilon=self.epsilon, delta=self.delta, rng=self.rng)
            rival = best_subspace_rival(span, self.epsilon, self.delta, gradient=step)
            found[f"qring-share-{name}"] = told.fraction
            low, high = told.interval
            found[f"qring-share-{name}-low"], found[f"qring-share-{name}-high"] = low, high
            found["qring-audit-qubits"] += told.qubits
            found["qring-audit-rival-bits"] = max(found["qring-audit-rival-bits"], rival.bits)
        return after, MetricRecord({**(metrics or {}), **found})

"""How long does private summing take, and how much does each worker send?

Rival, in the same run and in turn: Flower's SecAgg+ (package ``flwr``), its own client mod and
server workflow driven in this process with every client a neighbour of every other, from float32
gradients to the float mean on both sides. Both play all roles one after another, on one thread;
every worker expands all its masks, but ours works out the key of a pair once for both its ends.
Where flwr is not installed its cases are skipped. Ratios are of median processor times; uplink is
what one worker sends in a round, message envelopes left out on both sides.

Of noise the rival is OpenDP's exact discrete Gaussian (package ``opendp``), at the σ that 16-bit
words of a sum of ten have.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import qring
from qring import FixedPoint, Integers, Neighbours
from qring.ledger import Carrier
from qring.security.secagg.method import SecAgg
from qring.security.secagg.outcome import SecAggAggregate, Stage

Case = dict[str, str | float | None]
Rows = np.ndarray[Any, np.dtype[np.float32]]

QUANTISED_BITS = 22  # Flower's own default range, 2^22


class Flower:
    """Flower's SecAgg+ without its network: a grid that calls each client's mod directly."""

    def __init__(self) -> None:
        from flwr.supercore.task_identity import TaskIdentity

        logging.getLogger("flwr").setLevel(logging.CRITICAL)
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1

    def mean(self, rows: Rows, dropped: int, threshold: int) -> tuple[Rows, int]:
        """Mean of the rows that arrive, and the bytes that the last client sent."""
        from flwr.app import Context, RecordDict
        from flwr.common import Code, FitRes, Status, ndarrays_to_parameters
        from flwr.server.client_proxy import ClientProxy
        from flwr.server.compat.legacy_context import LegacyContext
        from flwr.server.strategy import Strategy
        from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD
        from flwr.server.workflow.constant import Key as WorkflowKey
        from flwr.server.workflow.secure_aggregation import SecAggPlusWorkflow

        count = len(rows)
        found: list[Rows] = []

        class Everybody(Strategy):  # type: ignore[misc]
            def configure_fit(self, server_round, parameters, client_manager):
                from flwr.common import FitIns

                empty = ndarrays_to_parameters([])
                return [(Proxy(str(k), k), FitIns(empty, {})) for k in range(1, count + 1)]

            def aggregate_fit(self, server_round, results, failures):
                from flwr.common import parameters_to_ndarrays

                found.extend(parameters_to_ndarrays(results[0][1].parameters))
                return None, {}

            def configure_evaluate(self, *_):
                return []

            aggregate_evaluate = evaluate = initialize_parameters = configure_evaluate

        class Proxy(ClientProxy):  # type: ignore[misc]
            def __init__(self, cid, node_id):
                super().__init__(cid)
                self.node_id = node_id

            def get_properties(self, *_):
                raise NotImplementedError

            fit = evaluate = get_parameters = reconnect = get_properties

        def train(message, _):
            from flwr.app import Message
            from flwr.compat.common import recorddict_compat as compat

            row = rows[message.metadata.dst_node_id - 1]
            result = FitRes(Status(Code.OK, ""), ndarrays_to_parameters([row]), 1, {})
            return Message(compat.fitres_to_recorddict(result, False), reply_to=message)

        grid = _Grid(count, dropped, train)
        context = Context(
            run_id=1, node_id=0, node_config={}, state=RecordDict(), run_config={}, series_id=1
        )
        server = LegacyContext(context, strategy=Everybody())
        from flwr.app import ArrayRecord, ConfigRecord

        server.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord(
            {WorkflowKey.CURRENT_ROUND: 1}
        )
        server.state.array_records[MAIN_PARAMS_RECORD] = ArrayRecord()
        workflow = SecAggPlusWorkflow(
            num_shares=1.0,
            reconstruction_threshold=threshold / count,
            max_weight=1.0,
            clipping_range=1.0,
            quantization_range=1 << QUANTISED_BITS,
            modulus_range=1 << 32,
        )
        workflow(grid, server)
        return found[0], grid.sent_bytes


class _Grid:
    """Delivers messages to the clients' mods; some fall silent when masked vectors are due."""

    def __init__(self, count: int, dropped: int, train: Callable[..., Any]) -> None:
        from flwr.app import Context, RecordDict

        self._dropped, self._train, self._turn = dropped, train, 0
        self.sent_bytes = 0
        self._contexts = {
            k: Context(
                run_id=1, node_id=k, node_config={}, state=RecordDict(), run_config={}, series_id=1
            )
            for k in range(1, count + 1)
        }

    def send_and_receive(self, messages: Any, *, timeout: float | None = None) -> list[Any]:
        from flwr.app import ConfigRecord, Message, RecordDict
        from flwr.client.mod import secaggplus_mod
        from flwr.supercore.task_identity import TaskIdentity

        replies = []
        for message in messages:
            client = message.metadata.dst_node_id
            if self._turn >= 2 and client <= self._dropped:
                continue
            content = RecordDict(
                {name: ConfigRecord(dict(r)) if isinstance(r, ConfigRecord) else r
                 for name, r in message.content.items()}
            )  # fmt: skip
            own = Message(content, dst_node_id=client, message_type="train", group_id="1")
            TaskIdentity.node_id = client
            reply = secaggplus_mod(own, self._contexts[client], self._train)
            TaskIdentity.node_id = 1
            reply.metadata.__dict__["_src_node_id"] = client
            replies.append(reply)
            if client == len(self._contexts):
                self.sent_bytes += sum(
                    _bytes_of(value)
                    for record in reply.content.config_records.values()
                    for value in record.values()
                )
        self._turn += 1
        return replies


def _bytes_of(value: Any) -> int:
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, list):
        return sum(map(_bytes_of, value))
    return 8 if isinstance(value, int | float) else 0


def gradients(workers: int, coords: int) -> Rows:
    return np.random.default_rng(0).uniform(-1, 1, (workers, coords)).astype(np.float32)


def ours(rows: Rows, dropped: int, bits: int = QUANTISED_BITS) -> SecAggAggregate:
    lost = {len(rows) - 1 - k: Stage.MASK for k in range(dropped)}
    method = SecAgg(encoding=FixedPoint(word_bits=bits, limit=1.0), dropouts=lost)
    result = qring.all_reduce(rows, method=method)
    if not isinstance(result, SecAggAggregate):
        raise SystemExit(f"the run was {result}")
    return result


def seconds(job: Callable[[], object]) -> float:
    started = time.process_time()  # others may share the machine
    job()
    return time.process_time() - started


def speeds(flower: Flower | None, quick: bool) -> list[Case]:
    sizes = [(16, 1_000_000, 0, 10), (64, 100_000, 0, 100), (16, 100_000, 4, 25)]
    if quick:
        sizes = [(8, 20_000, 0, None), (8, 20_000, 2, None)]
    cases: list[Case] = []
    for workers, coords, dropped, target in sizes:
        rows = gradients(workers, coords)
        mine, rivals = [], []
        slow = flower is not None and workers * workers * coords > 1e8 and not quick
        for turn in range(2 if quick or slow else 4):  # the first turn warms up
            for _ in range(3):
                spent = seconds(lambda rows=rows, dropped=dropped: ours(rows, dropped))
                if turn:
                    mine.append(spent)
            if flower is not None and (turn or not slow):
                kept, need = rows[dropped:], workers // 2 + 1
                spent = seconds(
                    lambda f=flower, r=rows, d=dropped, t=need, k=kept: _agree(f.mean(r, d, t), k)
                )
                if turn:
                    rivals.append(spent)
        name = f"secagg n={workers} d={coords:,}" + (f", {dropped} dropped" if dropped else "")
        median = statistics.median(mine)
        told = f"{name}: {median:.3f} s"
        if rivals:
            theirs = statistics.median(rivals)
            told += f" against {theirs:.2f} s"
            cases.append(
                {"case": f"{name}, speed against Flower", "ratio": theirs / median,
                 "target": target}
            )  # fmt: skip
        print(told, file=sys.stderr)
    return cases


def _agree(result: tuple[Rows, int], rows: Rows) -> None:
    """Refuse to time a rival that was driven wrongly."""
    if not np.allclose(result[0], rows.mean(axis=0), atol=1e-5):
        raise SystemExit("Flower's mean is wrong: it was driven wrongly, no times are given")


def thousands(quick: bool) -> list[Case]:
    """Sums over sparse graphs, 5% lost; the ratio is of the time allowed over the time spent."""
    cases: list[Case] = []
    for workers, coords, allowed in [(100, 500, 20)] if quick else [
        (1_000, 100_000, 20), (10_000, 10_000, 90)
    ]:  # fmt: skip
        rng = np.random.default_rng(0)
        rows = rng.integers(-30_000, 30_000, (workers, coords), dtype=np.int16)
        lost = rng.choice(np.arange(1, workers), workers // 20, replace=False)
        method = SecAgg(
            encoding=Integers(word_bits=16),
            neighbours=Neighbours(),
            dropouts={int(w): list(Stage)[k % 4] for k, w in enumerate(lost)},
        )
        results: list[Any] = []
        spent = seconds(lambda m=method, r=rows, o=results: o.append(qring.all_reduce(r, method=m)))
        exact = rows[list(results[0].contributors)].sum(axis=0, dtype=np.int64)
        if not (results[0].sum == exact).all():
            raise SystemExit("the sum over the sparse graph is wrong")
        name = f"secagg n={workers:,} d={coords:,}, sparse, 5% lost, {allowed} s over time spent"
        print(f"{name}: {spent:.1f} s of one core", file=sys.stderr)
        cases.append({"case": name, "ratio": allowed / spent, "target": 1})
    return cases


def uplink(flower: Flower | None, quick: bool) -> list[Case]:
    workers, coords = 16, 20_000 if quick else 1_000_000
    if flower is None:
        return []
    rows = gradients(workers, coords)
    rival = flower.mean(rows, 0, workers // 2 + 1)[1]
    cases: list[Case] = []
    for bits, target in [(12, 0.25), (16, None)]:
        ledger = ours(rows, 0, bits).ledger
        sent = sum(e.count for e in ledger if e.src == workers - 1 and e.carrier is Carrier.BIT)
        width = (workers * (2**bits - 1)).bit_length()
        name = f"uplink at {width} bits a masked word ({bits} + carry), bytes over Flower's int64"
        cases.append({"case": name, "ratio": sent / 8 / rival, "target": target})
        print(f"{name}: {sent // 8:,} against {rival:,}", file=sys.stderr)
    return cases


def noise(quick: bool) -> list[Case]:
    from qring.security.dp.discrete_gaussian import discrete_gaussian
    from qring.security.dp.rotation import rotate

    sigma, count = 2590.0, 2_000 if quick else 20_000
    mine = median(lambda: discrete_gaussian(sigma, 5 * count)) / 5
    row = np.random.default_rng(0).normal(size=5 * count)
    turn = median(lambda: rotate(row, 0)) / 5
    print(
        f"noise, 100,000 samples at sigma {sigma:g}: {1e5 * mine / count:.4f} s; "
        f"rotation of as many: {1e5 * turn / count:.4f} s",
        file=sys.stderr,
    )
    try:
        import opendp.prelude as dp
    except ImportError:
        print("opendp is not installed: its case is skipped", file=sys.stderr)
        return []
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float)
    rival, zeros = dp.m.make_gaussian(*space, scale=sigma), [0] * count
    theirs = median(lambda: rival(zeros))
    print(f"OpenDP: {1e5 * theirs / count:.3f} s", file=sys.stderr)
    return [{"case": "exact discrete Gaussian, speed against OpenDP", "ratio": theirs / mine,
             "target": 40}]  # fmt: skip


def median(job: Callable[[], object]) -> float:
    job()  # warms up: tables are kept
    return statistics.median(seconds(job) for _ in range(5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a list of cases")
    parser.add_argument("--quick", action="store_true", help="few repetitions, small sizes")
    arguments = parser.parse_args()
    flower = None
    try:
        flower = Flower()
    except ImportError:
        print("flwr is not installed: its cases are skipped", file=sys.stderr)
    cases = noise(arguments.quick) + speeds(flower, arguments.quick)
    cases += uplink(flower, arguments.quick) + thousands(arguments.quick)
    if arguments.json:
        print(json.dumps(cases))
        return
    for case in cases:
        print(f"{case['case']:78} {case['ratio']:10.3g}  target {case['target'] or '-'}")


if __name__ == "__main__":
    main()

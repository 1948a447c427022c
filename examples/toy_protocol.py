"""A protocol of one's own: worker 0 adds up what all others send it, and sends the sum back.

A package offers it by an entry point of the group ``qring.protocols`` (relay = toy_protocol:ENTRY),
a program adds it as below. Command line, training, hooks, attacks and bills then know it.
"""

from dataclasses import dataclass

import numpy as np

import qring
from qring.collectives.aggregate import Progress
from qring.network.links import classical
from qring.network.run import Run
from qring.protocols.entry import Entry, Sums
from qring.registry import PROTOCOLS
from qring.security.leakage.report import Leak, Told
from qring.theory.bills import Bill, Protects


@dataclass(frozen=True)
class Relay:
    """Sum through worker 0, over classical links."""

    encoding: qring.FloatBits | qring.FixedPoint

    def run(self, gradients: np.ndarray, run: Run, progress: Progress) -> qring.Aggregate:
        """Send every gradient to worker 0 and the sum to all others."""
        values, wire = self.encoding.encode(gradients)
        workers, total = len(values), values[0].copy()
        bits = wire.bits(len(total), workers)
        for worker in range(1, workers):
            run.link(classical, worker, 0).charge(bits)
            total = wire.add(values[worker], total)
            run.link(classical, 0, worker).charge(bits)
        run.end_rounds(2)
        sums = self.encoding.decode(np.tile(total, (workers, 1)), workers)
        return qring.Aggregate(sums=sums, ledger=run.ledger(), caveats=("worker 0 sees it all",))


ENTRY = Entry(
    name="relay",
    about="worker 0 adds up what all others send it, and sends the sum back",
    sums=Sums.FLOATS,
    method=lambda encoding, _: Relay(encoding),
    kinds=(Relay,),
    wire="every gradient",
    attacks={
        "wiretap": lambda setting, _: Leak.exact(
            Told(setting.word_bits, setting.word_bits), 0.0, 1.0, "all words are told"
        )
    },
    bill=lambda job: Bill(protocol="relay", protects=Protects.NOBODY, online_bits=job.coords * 32),
)

if __name__ == "__main__":
    PROTOCOLS.add("relay", ENTRY)
    rows = np.random.default_rng(0).normal(size=(4, 1000)).astype("float32")
    print(qring.all_reduce(rows, method="relay"))

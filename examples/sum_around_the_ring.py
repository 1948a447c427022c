"""Sum four workers' gradients over both rings, and leave a page that shows every round.

python examples/sum_around_the_ring.py
"""

from pathlib import Path

import numpy as np

import qring
from qring.encoding.formats import FloatFormat
from qring.paper.report import run_page
from qring.paper.trace import even_lengths, ring_trace


def main() -> None:
    """Print both accounts; write ``ring.html`` into the current folder."""
    gradients = np.random.default_rng(0).normal(size=(4, 1000)).astype(np.float32)
    quantum = qring.all_reduce(gradients, method=qring.Superdense())
    classical = qring.all_reduce(gradients, method=qring.Classical())
    assert quantum.sums.tobytes() == classical.sums.tobytes()
    print("superdense:", quantum.ledger.totals)
    print("classical: ", classical.ledger.totals)
    wire = FloatFormat(gradients.dtype)
    trace = ring_trace(
        chunks=even_lengths(1000, 4), what="1,000 gradients in float32", bits=wire.bits
    )
    assert trace.ledger(quantum=True) == quantum.ledger
    page = run_page(trace, title="Four workers", facts={"coordinates": "1,000"}, quantum=True)
    Path("ring.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()

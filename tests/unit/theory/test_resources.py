import time

import pytest

from qring.errors import InputError
from qring.theory.resources import RingResources


def ring(d, n, b, width="fixed", gather="counter-clockwise"):
    return RingResources(workers=n, coords=d, word_bits=b, width=width, gather=gather)


@pytest.mark.parametrize(
    ("size", "width", "cw", "ccw", "qubits_cw", "qubits_ccw"),
    [
        ((10, 4, 8), "fixed",
         [70, 80, 80, 70], [70, 80, 80, 70], [35, 40, 40, 35], [35, 40, 40, 35]),
        ((10, 4, 8), "growing",
         [62, 71, 73, 64], [70, 80, 80, 70], [31, 36, 37, 32], [35, 40, 40, 35]),
        ((7, 3, 5), "fixed", [35, 35, 28], [35, 35, 28], [18, 18, 14], [18, 18, 14]),
        ((1000, 8, 16), "fixed", [16625] * 8, [16625] * 8, [8316] * 8, [8316] * 8),
    ],
)  # fmt: skip
def test_link_loads_of_worked_examples(size, width, cw, ccw, qubits_cw, qubits_ccw):
    resources = ring(*size, width)
    n = size[1]
    clockwise = [resources.link(i, (i + 1) % n) for i in range(n)]
    counter = [resources.link((i + 1) % n, i) for i in range(n)]
    assert [load.bits for load in clockwise] == cw
    assert [load.bits for load in counter] == ccw
    assert [load.qubits for load in clockwise] == qubits_cw
    assert [load.qubits for load in counter] == qubits_ccw


def test_totals_are_the_sum_over_links():
    for n in range(1, 9):
        for width in ("fixed", "growing", "float"):
            for gather in ("clockwise", "counter-clockwise"):
                resources = ring(29, n, 5, width, gather)
                links = {(i, (i + s) % n) for i in range(n) for s in (1, -1)}
                loads = [resources.link(*ends) for ends in links]
                assert resources.total.bits == sum(load.bits for load in loads)
                assert resources.total.qubits == sum(load.qubits for load in loads)


def test_lifetime_excess_is_at_most_one_carrier_a_message():
    for n in (2, 3, 5, 8):
        resources = ring(31, n, 3)
        assert 0 <= resources.lifetime_excess <= 2 * n * (n - 1)


def test_memory_for_pairs_of_a_large_step():
    assert ring(10**9, 8, 16).link(0, 1).qubits == pytest.approx(8.3e9, rel=2e-3)


def test_ring_emits_more_than_the_cut_needs_beyond_two_workers():
    # 2(n-1)/n words a node leave; a cut around one node needs d. Tight only at n = 2.
    for n, slack in ((2, 1.0), (8, 1.75)):
        resources = ring(8 * 7 * 5, n, 16, "float")
        assert resources.total.bits / n / (8 * 7 * 5 * 16) == pytest.approx(slack)


def test_sizes_beyond_any_memory_are_answered_at_once():
    resources = ring(10**12, 10**4, 16)
    started = time.perf_counter()
    assert resources.total.bits == 2 * (10**4 - 1) * 10**12 * 30
    assert resources.link(17, 18).bits == 30 * (10**12 - 10**8)
    assert resources.rounds == 19_998
    assert resources.critical_path_bits == 9_999 * 10**8 * 30
    assert time.perf_counter() - started < 5  # measured 0.05 s; not a speed test


@pytest.mark.parametrize("broken", [(0, 4, 8), (4, 0, 8), (4, 4, 0)])
def test_nothing_to_count_is_refused(broken):
    with pytest.raises(InputError):
        ring(*broken)

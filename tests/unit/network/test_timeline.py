"""Time in a run: what it adds up to, closed forms, traces, and what does not go together."""

import json
import math
import pickle

import numpy as np
import pytest

import qring
from qring.collectives.rehearse import grain_for, rehearse
from qring.network.clock import Clock
from qring.network.hardware.registry import find_profile
from qring.network.inventory.arrivals import Spacing
from qring.network.timeline import Activity
from qring.theory.supply import Step

ROWS = np.random.default_rng(0).normal(size=(4, 1200)).astype("float32")
IDEAL = find_profile("ideal")


def summed(hardware, method=None, **network):
    return qring.all_reduce(
        ROWS, method=method, network=qring.Network(hardware=hardware, **network),
        rng=np.random.default_rng(1),
    )  # fmt: skip


def regular(profile, **more):
    return qring.Hardware(profile=profile, births=Spacing.REGULAR, **more)


def test_perfect_hardware_halves_the_time_of_bits():
    fast = qring.Hardware(profile=IDEAL.but(qubits_per_s=1e6), classical_bits_per_s=1e6)
    quantum, bits = summed(fast), summed(fast, qring.Classical())
    assert quantum.timeline.total_s == pytest.approx(bits.timeline.total_s / 2)
    assert bits.timeline.total_s == pytest.approx(6 * 300 * 32 / 1e6)
    assert (quantum.sum == bits.sum).all()
    assert bits.timeline.totals_s[Activity.CLASSICAL] == pytest.approx(bits.timeline.total_s)


@pytest.mark.parametrize("lead", [0.0, 0.7])
@pytest.mark.parametrize("qubits", [math.inf, 4e4])
def test_a_run_takes_what_the_closed_form_says(lead, qubits):
    rate = {"qubits_per_s": qubits} if qubits < math.inf else {}
    hardware = regular(IDEAL.but(pairs_per_s=1e4, **rate), lead_s=lead)
    timeline = summed(hardware).timeline
    step = Step(pairs=6 * 300 * 16, pairs_per_s=1e4, qubits_per_s=qubits, compute_s=lead)
    assert timeline.total_s == pytest.approx(step.online_s, abs=2e-4)
    assert timeline.totals_s[Activity.WAIT] == pytest.approx(step.waiting_s, abs=3e-4)


def test_both_directions_of_a_link_go_at_once_and_share_its_pairs():
    rows, bits = ROWS[:2], 600 * 32
    given = {"rng": np.random.default_rng(0)}
    plenty = regular(IDEAL.but(qubits_per_s=1e6, pairs_per_s=1e7), lead_s=0.1)
    timeline = qring.all_reduce(rows, network=qring.Network(hardware=plenty), **given).timeline
    assert timeline.total_s == pytest.approx(2 * bits / 2 / 1e6, rel=1e-3)
    scarce = regular(IDEAL.but(qubits_per_s=1e6, pairs_per_s=1e4))
    timeline = qring.all_reduce(rows, network=qring.Network(hardware=scarce), **given).timeline
    assert timeline.total_s == pytest.approx(4 * bits / 2 / 1e4, rel=1e-3)
    assert timeline.counts.is_conserved


def test_time_adds_up_without_gaps():
    hardware = qring.Hardware.of("ions-rate", lead_s=10.0, classical_bits_per_s=1e6)
    timeline = summed(hardware, coding=qring.Coding(emulation=qring.Emulation.CALIBRATED)).timeline
    assert sum(timeline.totals_s.values()) == pytest.approx(timeline.total_s)
    ends = [span.end_s for span in timeline.critical]
    assert [span.start_s for span in timeline.critical[1:]] == pytest.approx(ends[:-1])
    assert all(span.end_s >= span.start_s for span in timeline.hops)
    assert timeline.counts.is_conserved
    assert pickle.loads(pickle.dumps(timeline)) == timeline  # noqa: S301 - our own


def test_pairs_have_the_noise_of_their_age():
    hardware = qring.Hardware.of(find_profile("ions-rate").but(pairs_per_s=1e4, t2_s=1.0))
    result = summed(hardware)
    timeline = result.timeline
    assert 0.25 < timeline.mean_fidelity < 0.94
    assert "mean fidelity" in result.caveats[0]
    assert not result.agreed
    coded = summed(
        qring.Hardware.of(find_profile("ions-rate").but(pairs_per_s=1e6)), coding=qring.Coding()
    )
    assert coded.agreed
    clean = qring.all_reduce(ROWS)
    assert (coded.sum == clean.sum).all()
    assert coded.ledger.totals.ebits == coded.timeline.counts.used


def test_the_trace_opens_as_chromes():
    trace = json.loads(summed(qring.Hardware.of("ions-rate")).timeline.chrome_trace())
    phases = {event["ph"] for event in trace["traceEvents"]}
    assert phases == {"M", "X", "C"}
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            assert event["dur"] >= 0
            assert {"name", "pid", "tid", "ts"} <= set(event)


@pytest.mark.parametrize("name", ["ideal", "ions-rate", "microwave"])
def test_training_over_hardware_takes_what_the_closed_form_says(name):
    profile = find_profile(name).but(qubits_per_s=1e9)
    coords, workers, steps, compute = 101_770, 4, 8, 0.01
    hardware = regular(profile, grain=grain_for(workers, coords), cutoff_s=5e-3)
    timeline = rehearse(hardware, workers=workers, coords=coords, compute_s=[compute] * steps,
                        rng=np.random.default_rng(0))  # fmt: skip
    pairs = 2 * (workers - 1) * math.ceil(coords / workers) * 16
    step = Step(pairs=pairs, pairs_per_s=profile.pairs_per_s.value, qubits_per_s=1e9,
                compute_s=compute, cutoff_s=5e-3)  # fmt: skip
    travel = 6 * steps * profile.latency_s
    predicted = steps * (compute + step.online_s) + travel
    assert timeline.totals_s[Activity.COMPUTE] == pytest.approx(steps * compute)
    assert timeline.total_s == pytest.approx(predicted, rel=0.01)
    assert timeline.counts.is_conserved
    assert timeline.counts.used == pytest.approx(4 * steps * pairs, rel=1e-3)


def test_grains_round_times_only_a_little():
    hardware = regular(IDEAL.but(pairs_per_s=1e5))
    given = {"workers": 3, "coords": 6000, "compute_s": [0.1, 0.1], "rng": np.random.default_rng(0)}
    fine = rehearse(hardware, **given)
    coarse = rehearse(regular(IDEAL.but(pairs_per_s=1e5), grain=16), **given)
    assert coarse.total_s == pytest.approx(fine.total_s, rel=2e-3)
    bits = rehearse(
        regular(IDEAL, classical_bits_per_s=1e9), quantum=False, **given
    )  # fmt: skip
    assert bits.total_s == pytest.approx(0.2 + 2 * 4 * 2000 * 32 / 1e9)


def test_clocks_run_forward():
    clock = Clock()
    clock.compute(0.5)
    clock.hop(0, 1, [(Activity.SEND, 0.25)])
    clock.hop(1, 0, [(Activity.SEND, 0.125), (Activity.TRAVEL, 0.0)])
    clock.hop(1, 0, [(Activity.SEND, 0.25)])  # queued behind the first
    clock.end_rounds()
    assert clock.now_s == pytest.approx(0.875)
    with pytest.raises(qring.InputError, match="the clock runs forward"):
        clock.compute(-1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: qring.Network(hardware="ions"), "hardware got 'ions'; use Hardware.of"),
        (lambda: qring.Network(hardware=qring.Hardware.of("ideal"),
                               noise=qring.BellDiagonal(x=0.1)), "noise does not go with it"),
        (lambda: qring.Network(hardware=qring.Hardware.of("ideal"), record_faults=True),
         "record_faults does not go"),
        (lambda: qring.DenseNetwork(hardware=qring.Hardware.of("ideal")), "hardware"),
        (lambda: qring.Hardware.of("spdc"), "cannot be stored"),
        (lambda: qring.Hardware.of("ideal", lead_s=-1.0), "lead_s must be at least 0"),
        (lambda: qring.Hardware.of("ideal", grain=0), "grain must be"),
        (lambda: qring.Hardware.of("ideal", classical_bits_per_s=-1.0), "classical_bits_per_s"),
        (lambda: summed(qring.Hardware.of("ideal"), qring.Ghz(
            encoding=qring.FixedPoint(word_bits=8, limit=8.0))), "none to Ghz"),
    ],
)  # fmt: skip
def test_what_does_not_go_with_hardware_is_refused(make, message):
    with pytest.raises(qring.InputError, match=message):
        make()

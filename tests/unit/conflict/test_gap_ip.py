"""GapIP: the plane against the state vector, the ledger, the interface and its refusals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qring.conflict.courier import Courier
from qring.conflict.finding import Decision
from qring.conflict.gap_ip import Simulation, gap_ip, inner_product
from qring.conflict.phases import cheapest
from qring.conflict.plane import Circuit, Plane, acceptance, overlap
from qring.conflict.register import Register
from qring.conflict.strategies.ancilla_free import AncillaFree
from qring.conflict.strategies.kitaev import Kitaev
from qring.conflict.strategies.maximum_likelihood import MaximumLikelihood
from qring.conflict.strategies.sequential import Sequential
from qring.errors import InputError
from qring.ledger import Carrier, Phase
from qring.network.network import Network
from qring.theory import separations

STRATEGIES = (AncillaFree(), Kitaev(), Sequential(), MaximumLikelihood())
names = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)


def pair(d, s, seed=0):
    """Unit vectors with inner product s."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=d)
    u /= np.linalg.norm(u)
    if d == 1:
        return u, math.copysign(1, s) * u
    v = rng.normal(size=d)
    v -= u * (u @ v)
    v /= np.linalg.norm(v)
    return u, s * u + math.sqrt(1 - s**2) * v


def register(u, v):
    return Register(u, v, Courier(len(u).bit_length(), Network().open(2)))


@given(
    st.integers(2, 40),
    st.floats(-1, 1),
    st.integers(1, 12),
    st.floats(0, 0.9),
    st.booleans(),
    st.integers(0, 99),
)
def test_plane_and_state_vector_accept_alike(d, s, passes, reference, plain, seed):
    u, v = pair(d, s, seed)
    rng = np.random.default_rng(seed)
    phases = None if plain else tuple(rng.uniform(-4, 4, passes - 1).tolist())
    circuit = Circuit(passes=passes, reference=reference, phases=phases)
    exact = float(acceptance(circuit, float(u @ v)))
    assert register(u, v).probability(circuit) == pytest.approx(exact, abs=1e-11)


def test_a_million_coordinates_agree_with_the_plane():
    u, v = (x.astype(np.float32) for x in pair(1 << 20, 0.03))
    for circuit in (Circuit(passes=7), Circuit(passes=4, phases=(0.3, 1.0, -2.0))):
        seen = register(u, v).probability(circuit)
        cosine = float(u.astype(float) @ v.astype(float))
        assert seen == pytest.approx(float(acceptance(circuit, cosine)), abs=2e-5)


@given(st.integers(1, 30), st.floats(-1, 1), st.floats(0, 0.99))
def test_plain_reflections_are_a_cosine(passes, s, reference):
    circuit = Circuit(passes=passes, reference=reference)
    expected = separations.plain_acceptance(passes, s, reference)
    assert float(acceptance(circuit, s)) == pytest.approx(expected, abs=1e-9)
    spelled_out = Circuit(passes=passes, reference=reference, phases=(math.pi,) * (passes - 1))
    assert float(acceptance(spelled_out, s)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("s", [-1.0, -0.4, 0.1, 0.99])
def test_phase_estimation_has_the_same_law_on_both_engines(s):
    # Two tests on one kept register: the joint law of all four outcomes, by enumeration, and by
    # frequency on both engines; the state vector collapses, the plane draws a sign.
    u, v = pair(6, s, 1)
    shots, runs = np.array([1]), 4000
    power = np.array([1])
    rng = np.random.default_rng(3)
    angle = 2 * math.acos((1 + s) / 2)
    law = np.zeros((2, 2))
    for phase in (angle, -angle):
        c, n = (1 + math.cos(phase)) / 2, (1 + math.sin(phase)) / 2
        law += np.outer([1 - c, c], [1 - n, n]) / 2
    # 32 comparisons at 5.9 standard deviations: false alarm below 2e-7.
    tolerance = 5.9 * np.sqrt(law * (1 - law) / runs) + 1e-9
    for engine in (register(u, v), Plane(s, Courier(3, Network().open(2)))):
        counts = np.zeros((2, 2))
        for _ in range(runs):
            cosine, sine = engine.phase_run(rng).tests(power, shots, rng)
            counts[cosine[0], sine[0]] += 1
        assert (np.abs(counts / runs - law) <= tolerance).all()


@names
def test_both_engines_give_the_same_run_from_the_same_seed(strategy):
    if strategy.name == "kitaev":
        pytest.skip("the state vector draws outcomes one by one")
    u, v = pair(33, 0.3, 2)
    results = [
        gap_ip(
            u, v, margin=0.2, error=0.1, rng=np.random.default_rng(4), strategy=strategy,
            simulation=simulation,
        )
        for simulation in Simulation
    ]  # fmt: skip
    first, second = results
    assert first.ledger == second.ledger
    assert first.decision is second.decision
    assert first.interval == pytest.approx(second.interval, abs=1e-9)
    if strategy.name in ("kitaev", "maximum_likelihood"):
        assert first.estimate == pytest.approx(second.estimate, abs=1e-9)
    else:
        assert first.estimate is second.estimate is None


@names
def test_ledger_counts_passes_of_the_register(strategy):
    u, v = pair(100, 0.5)
    result = gap_ip(u, v, margin=0.3, error=0.1, rng=np.random.default_rng(0), strategy=strategy)
    width = 7 + (strategy.name == "kitaev")
    qubits = [result.ledger.on(src, 1 - src, Phase.ONLINE, Carrier.QUBIT) for src in (0, 1)]
    assert sum(qubits) == result.qubits == result.passes * width
    assert result.ledger.rounds == result.round_trips == qubits[0] // width
    assert qubits[0] >= qubits[1]
    if strategy.name == "ancilla_free":
        assert result.passes == cheapest(0.3, 0.1).circuit.passes
        assert qubits[0] == (result.passes + 1) // 2 * width
    assert result.ledger.totals.ebits == result.ledger.totals.setup_qubits == 0
    bits = result.ledger.totals.online_bits
    assert (bits > 0) == (strategy.name == "sequential")


def test_kitaev_on_the_state_vector_decides_and_accounts_alike():
    u, v = pair(9, -0.6)
    results = [
        gap_ip(u, v, margin=0.5, error=0.2, rng=np.random.default_rng(1), strategy=Kitaev(),
               simulation=simulation)
        for simulation in Simulation
    ]  # fmt: skip
    assert results[0].ledger == results[1].ledger
    assert {r.decision for r in results} == {Decision.CONFLICTING}


@given(st.floats(1e-150, 1e150), st.sampled_from([np.float16, np.float32, np.float64]))
def test_length_and_type_do_not_matter(scale, dtype):
    rng = np.random.default_rng(0)
    limit = float(np.finfo(dtype).max) / 100
    low = float(np.finfo(dtype).tiny) * 1000
    u = (rng.uniform(0.5, 1, 50) * min(max(scale, low), limit)).astype(dtype)
    v = rng.normal(size=50).astype(dtype)
    cosine, _ = inner_product(u.astype(float), v.astype(float))
    one, other = (x.astype(np.float32) if dtype is np.float16 else x for x in (u, v))
    assert inner_product(one, other)[0] == pytest.approx(cosine, abs=1e-4)


def test_huge_and_tiny_vectors_run_on_the_state_vector_too():
    for scale in (1e-200, 1e200):
        u, v = np.full(5, scale), np.full(5, scale)
        result = gap_ip(u, v, margin=0.5, error=0.01, rng=np.random.default_rng(0),
                        simulation=Simulation.REGISTER)  # fmt: skip
        assert result.decision is Decision.ALIGNED


@settings(max_examples=30)
@given(st.integers(1, 9), st.sampled_from(STRATEGIES), st.integers(0, 2**32 - 1))
def test_same_seed_same_run(d, strategy, seed):
    u, v = pair(d, 0.4, seed % 7)
    runs = [
        gap_ip(u, v, margin=0.25, error=0.2, rng=np.random.default_rng(seed), strategy=strategy)
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    low, high = runs[0].interval
    assert -1 <= low < high <= 1
    if runs[0].estimate is not None:
        assert low <= runs[0].estimate <= high


def test_overlap_of_encoded_vectors():
    u, v = pair(5, -0.2)
    a, c = (np.append(math.sqrt(0.7) * x, math.sqrt(0.3)) for x in (u, v))
    assert float(overlap(float(u @ v), 0.3)) == pytest.approx(float(a @ c))


ONE = np.ones(3)


@pytest.mark.parametrize(
    ("u", "v", "keywords", "message"),
    [
        (np.zeros(3), ONE, {}, "u is all zeros"),
        (ONE, np.zeros(3), {}, "v is all zeros"),
        (ONE, [1, math.nan, 1], {}, "v holds nan at coordinate 1"),
        ([1, 1, math.inf], ONE, {}, "u holds inf at coordinate 2"),
        (ONE, np.ones(4), {}, "3 coordinates and v has 4"),
        (np.ones((2, 2)), ONE, {}, r"shape \(d,\)"),
        ([], [], {}, r"shape \(d,\)"),
        (["a"], ["b"], {}, "real numbers"),
        (ONE, ONE, {"margin": 0}, "margin lies between"),
        (ONE, ONE, {"margin": 1}, "margin lies between"),
        (ONE, ONE, {"margin": math.nan}, "margin lies between"),
        (ONE, ONE, {"error": 0}, "error lies between"),
        (ONE, ONE, {"error": 0.5}, "error lies between"),
        (ONE, ONE, {"margin": 1e-4}, "more than 501 passes"),
    ],
)
def test_what_cannot_be_compared_is_refused(u, v, keywords, message):
    task = {"margin": 0.2, "error": 0.1, **keywords}
    with pytest.raises(InputError, match=message):
        gap_ip(u, v, rng=np.random.default_rng(0), **task)


def test_impossible_circuits_are_refused():
    with pytest.raises(InputError, match="at least 1 pass"):
        Circuit(passes=0)
    with pytest.raises(InputError, match="2 reflections between"):
        Circuit(passes=3, phases=(1.0,))
    with pytest.raises(InputError, match="reference weight"):
        Circuit(passes=3, reference=1.0)


def test_aer_agrees_with_the_plane():
    qiskit = pytest.importorskip("qiskit")
    aer = pytest.importorskip("qiskit_aer")
    from qiskit.circuit.library import UnitaryGate

    u, v = pair(3, 0.35, 5)
    phases = (0.4, -1.1, 2.0, math.pi)
    circuit = Circuit(passes=5, reference=0.4, phases=phases)
    a, c = (np.append(math.sqrt(0.6) * x, math.sqrt(0.4)) for x in (u, v))
    register_ = qiskit.QuantumCircuit(2)
    register_.initialize(a, [0, 1])
    for k, phase in enumerate(phases):
        x = c if k % 2 == 0 else a
        gate = np.eye(4) + (np.exp(1j * phase) - 1) * np.outer(x, x)
        register_.append(UnitaryGate(gate), [0, 1])
    register_.save_statevector()
    state = aer.AerSimulator(method="statevector").run(
        qiskit.transpile(register_, aer.AerSimulator())
    )
    found = abs(np.vdot(c, np.asarray(state.result().get_statevector()))) ** 2
    assert found == pytest.approx(float(acceptance(circuit, float(u @ v))), abs=1e-9)


def test_plane_engine_samples_its_own_probability():
    engine = Plane(0.1, Courier(5, Network().open(2)))
    circuit = Circuit(passes=3)
    p, runs = engine.probability(circuit), 100_000
    seen = engine.accepts(circuit, runs, np.random.default_rng(0)) / runs
    assert abs(seen - p) < 5.5 * math.sqrt(p * (1 - p) / runs)  # false alarm below 1e-7
    assert engine.courier.passes == 3 * runs

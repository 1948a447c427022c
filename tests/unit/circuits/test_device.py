"""Device cards say what the device says, and run like it."""

import json
from itertools import pairwise

import numpy as np
import pytest

import qring
from qring.circuits.device import CardGate, CardQubit, DeviceCard, best_line, make_card
from qring.circuits.ghz import GhzCopy, PhaseDigits, Source
from qring.circuits.sampling import Sampling
from qring.circuits.superdense import SuperdensePair
from qring.errors import InputError

pytest.importorskip("qiskit_aer", reason="needs the extra [qiskit]")

SHOTS = 400_000


@pytest.fixture(scope="module")
def manila():
    pytest.importorskip("qiskit_ibm_runtime", reason="needs the extra [ibm]")
    from qring.circuits.device import fake_backend

    return fake_backend("FakeManilaV2")


@pytest.fixture(scope="module")
def card(manila):
    return make_card(manila, best_line(manila, 4))


def test_a_card_survives_json(card):
    again = DeviceCard.from_json(card.to_json())
    assert again == card
    fields = json.loads(card.to_json())
    assert any("optimistic" in caveat for caveat in fields["caveats"])
    assert "FakeManilaV2" in card.source


def test_a_card_holds_the_figures_of_its_qubits(manila, card):
    for place, qubit in enumerate(card.qubits):
        facts = manila.target.qubit_properties[qubit.index]
        assert qubit.t1_s == facts.t1
        assert qubit.t2_s == min(facts.t2, 2 * facts.t1)
        (sx,) = (g for g in card.gates if g.name == "sx" and g.qubits == (place,))
        assert sx.error == manila.target["sx"][(qubit.index,)].error
    pairs = {gate.qubits for gate in card.gates if gate.name == "cx"}
    assert pairs == {(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)}


def test_the_best_line_has_the_least_errors(manila):
    def errors(line):
        gates = pairwise(line)
        return sum(manila.target["cx"][pair].error for pair in gates) + sum(
            manila.target["measure"][(qubit,)].error for qubit in line
        )

    # Manila is a line of five qubits.
    possible = [(k, k + 1, k + 2) for k in range(3)]
    assert sorted(best_line(manila, 3)) == list(min(possible, key=errors))
    with pytest.raises(InputError, match="no line of 6"):
        best_line(manila, 6)


def test_runs_on_the_card_are_like_runs_on_the_device(manila, card):
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_aer.primitives import SamplerV2

    line = [qubit.index for qubit in card.qubits]
    device = SamplerV2.from_backend(manila, seed=1)
    on_card = card.sampling(seed=2)
    for circuit, value in (
        (SuperdensePair(label=3), lambda found: float((found == 3).mean())),
        (GhzCopy(phases=(0.0,) * 4), lambda parity: float(1 - 2 * parity.mean())),
    ):
        width = circuit.build().num_qubits
        passes = generate_preset_pass_manager(
            1, backend=manila, initial_layout=line[:width], seed_transpiler=0
        )
        seen = value(Sampling(sampler=device, passes=passes).sample(circuit, SHOTS))
        again = value(on_card.sample(circuit, SHOTS))
        # Deviations of the differences: √(2(1−V²)/shots) = .0017 for V = .67, .0008 for the
        # success; .01 is 6 of them.
        assert abs(seen - again) < 0.01
        assert 0.6 < seen < 0.95


def test_storage_relaxes_both_halves_as_t1_and_t2_say():
    # A card without other errors; the weight of Φ+ after relaxation is known.
    qubits = tuple(
        CardQubit(index=k, t1_s=t1, t2_s=t2, read_0_as_1=0.0, read_1_as_0=0.0)
        for k, (t1, t2) in enumerate([(100e-6, 120e-6), (80e-6, 60e-6)])
    )
    places = {"cx": ((0, 1), (1, 0)), "x": ((0,), (1,)), "sx": ((0,), (1,)), "rz": ((0,), (1,))}
    gates = tuple(
        CardGate(name=name, qubits=where, error=0.0, duration_s=0.0)
        for name, every in places.items()
        for where in every
    )
    card = DeviceCard(device="clean", source="a test", dt_s=1e-9, qubits=qubits, gates=gates)
    wait, shots = 50e-6, 20_000
    found = card.sampling(seed=3).sample(SuperdensePair(label=2, storage_s=wait), shots)
    (a1, a2), (b1, b2) = ((np.exp(-wait / q.t1_s), np.exp(-wait / q.t2_s)) for q in qubits)
    expected = (1 + (1 - a1) * (1 - b1) + a1 * b1) / 4 + a2 * b2 / 2
    # Six deviations of a share: false alarm 2e-9.
    assert abs((found == 2).mean() - expected) < 6 * (expected * (1 - expected) / shots) ** 0.5


def test_sums_are_read_on_a_card_and_say_what_its_noise_leaves_out(card):
    # Two qubits of Manila show V above .8: majorities of 29 copies a digit fail once in 10⁶.
    network = qring.QiskitNetwork(card.sampling(seed=4), device_visibility=0.8)
    words = qring.Integers(word_bits=2, signed=False)
    rows, rng = np.array([[3, 1], [2, 1]]), np.random.default_rng(5)
    result = qring.all_reduce(rows, method=qring.Ghz(encoding=words), network=network, rng=rng)
    assert (result.sum == [5, 2]).all()
    assert result.copies > 2 * 3 * 20
    assert any("one device" in caveat for caveat in result.caveats)
    assert any("idle qubits" in caveat for caveat in result.caveats)
    grown = qring.QiskitNetwork(card.sampling(), source=Source.CONSTANT_DEPTH)
    assert any("optimistic" in caveat for caveat in grown.caveats)


def test_circuits_that_do_not_fit_are_refused(card):
    with pytest.raises(InputError, match="5 qubits"):
        card.sampling().sample(GhzCopy(phases=(0.0,) * 5), 10)


def test_feed_forward_is_called_optimistic(card):
    sampling = card.sampling()
    plain, forward = GhzCopy(phases=(0.0,) * 3), PhaseDigits(words=(1, 1), sum_bits=2)
    assert not any("optimistic" in c for c in sampling.caveats_of(plain.build()))
    assert any("optimistic" in c for c in sampling.caveats_of(forward.build()))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not a device card"),
        ("[]", "not a device card"),
        ("{}", "schema"),
        ('{"schema": "qring device card 1"}', "device"),
        ('{"schema": "qring device card 1", "device": "x", "source": "y", "dt_s": 1e-9, '
         '"qubits": [{"index": 0}], "gates": []}', "not a device card"),
    ],
)  # fmt: skip
def test_what_is_not_a_card_is_refused(text, says):
    with pytest.raises(InputError, match=says):
        DeviceCard.from_json(text)


def test_impossible_figures_are_refused(tmp_path):
    with pytest.raises(InputError, match="T2 is at most"):
        CardQubit(index=0, t1_s=1e-4, t2_s=3e-4, read_0_as_1=0.0, read_1_as_0=0.0)
    with pytest.raises(InputError, match="readout"):
        CardQubit(index=0, t1_s=1e-4, t2_s=1e-4, read_0_as_1=1.5, read_1_as_0=0.0)
    with pytest.raises(InputError, match="impossible"):
        CardGate(name="sx", qubits=(0,), error=2.0, duration_s=1e-8)
    with pytest.raises(InputError, match="cannot read"):
        DeviceCard.read(tmp_path / "none.json")


def test_unknown_devices_and_qubits_are_refused(manila):
    from qring.circuits.device import fake_backend

    with pytest.raises(InputError, match="no fake device"):
        fake_backend("FakeNowhere")
    with pytest.raises(InputError, match="qubits 0..4"):
        make_card(manila, (0, 7))

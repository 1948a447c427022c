import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qring.encoding import superdense

PAULI = {
    superdense.IDENTITY: np.eye(2),
    superdense.X: np.array([[0, 1], [1, 0]]),
    superdense.Z: np.array([[1, 0], [0, -1]]),
    superdense.Y: np.array([[0, -1j], [1j, 0]]),
}
PHI_PLUS = np.array([1, 0, 0, 1]) / np.sqrt(2)
DECODE = np.kron(np.array([[1, 1], [1, -1]]) / np.sqrt(2), np.eye(2)) @ np.array(
    [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
)  # CNOT from the sender's qubit, then H on it; measuring reads (b1, b2)


@pytest.mark.parametrize("label", range(4))
def test_bell_measurement_reads_the_label_that_was_applied(label):
    z, x = label >> 1, label & 1
    encoded = np.linalg.matrix_power(PAULI[superdense.Z], z) @ np.linalg.matrix_power(
        PAULI[superdense.X], x
    )
    state = DECODE @ np.kron(encoded, np.eye(2)) @ PHI_PLUS
    assert np.argmax(abs(state)) == label
    assert abs(state[label]) == pytest.approx(1)
    # The same label names the same Pauli up to a phase.
    assert abs(np.trace(encoded.conj().T @ PAULI[label])) == pytest.approx(2)


@given(st.binary(max_size=20), st.integers(0, 7))
def test_labels_are_the_bits_two_by_two(message, dropped):
    bits = max(0, len(message) * 8 - dropped)
    array = np.frombuffer(message, np.uint8)[: -(-bits // 8)]
    labels = superdense.pauli_labels(array, bits)
    assert len(labels) == superdense.pairs_for(bits) == -(-bits // 2)
    digits = "".join(format(byte, "08b") for byte in message)[:bits]
    digits += "0" * (bits % 2)
    assert "".join(format(label, "02b") for label in labels) == digits


@given(st.lists(st.integers(0, 3), max_size=30))
def test_frames_pack_labels_four_to_a_byte(labels):
    array = np.array(labels, np.uint8)
    packed = superdense.frames(array)
    assert len(packed) == -(-len(labels) // 4)
    assert (superdense.pauli_labels(packed, 2 * len(labels)) == array).all()

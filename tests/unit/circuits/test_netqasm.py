"""NetQASM programs of two nodes, run by a small machine written for that alone."""

import math
import re

import numpy as np
import pytest

from qring.circuits.gap_ip import GapIPPasses
from qring.circuits.ghz import GhzCopy, PhaseDigits, Source
from qring.circuits.superdense import SuperdensePair
from qring.circuits.tie_audit import TieAuditCopy
from qring.circuits.to_netqasm import to_netqasm
from qring.circuits.verification import HashedCheck, StabiliserTest, ZTest
from qring.errors import InputError

pytest.importorskip("netqasm", reason="needs the extra [netqasm]")
pytest.importorskip("qiskit", reason="needs the extra [qiskit]")

X = np.array([[0, 1], [1, 0]], complex)
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1]).astype(complex)
GATES = {"x": X, "z": Z, "h": (X + Z) / math.sqrt(2), "s": np.diag([1, 1j])}


class Machine:
    """Two nodes with registers and arrays each, and one state vector over all their qubits."""

    def __init__(self, rng):
        self.rng = rng
        self.state = np.ones((), complex)
        self.axes = []  # names of the state's axes: (node, virtual qubit), or a half not fetched
        self.memory = [{}, {}]
        self.arrays = [{}, {}]
        self.fetched = [0, 0]

    def add(self, names, amplitudes):
        self.state = np.multiply.outer(self.state, np.asarray(amplitudes, complex))
        self.axes += names

    def apply(self, matrix, *names):
        places = [self.axes.index(name) for name in names]
        k = len(places)
        gate = matrix.reshape((2,) * (2 * k))
        moved = np.tensordot(gate, self.state, (range(k, 2 * k), places))
        self.state = np.moveaxis(moved, range(k), places)

    def drop(self, name, measured):
        place = self.axes.index(name)
        halves = np.moveaxis(self.state, place, 0)
        weights = [float(np.vdot(half, half).real) for half in halves]
        outcome = int(self.rng.random() < weights[1])
        self.state = halves[outcome] / math.sqrt(weights[outcome])
        self.axes.pop(place)
        return outcome

    def fetch(self, node, qubit):
        """A node's half of its next pair; whoever comes first makes the pair."""
        number = self.fetched[node]
        self.fetched[node] += 1
        if ("half", node, number) not in self.axes:
            self.add([("half", 0, number), ("half", 1, number)], np.eye(2) / math.sqrt(2))
        self.axes[self.axes.index(("half", node, number))] = (node, qubit)

    def run(self, part):
        node, line, limit = part.node, 0, 100_000
        registers, arrays = self.memory[node], self.arrays[node]
        self.pending = {}
        lines = [
            re.sub(r"\{@(\d+)\}", lambda m: str(self.arrays[1 - node][int(m[1])][0]), text)
            for text in part.lines
        ]

        def value(word):
            return registers[word] if word[0] in "RQM" else int(word)

        def entry(word):
            address, index = re.fullmatch(r"@(\d+)\[(\w+)\]", word).groups()
            return arrays[int(address)], value(index)

        measured = {}
        while line < len(lines):
            limit -= 1
            assert limit
            name, *words = lines[line].split()
            line += 1
            if name == "set":
                registers[words[0]] = int(words[1])
            elif name == "array":
                arrays[int(words[1][1:])] = [0] * value(words[0])
            elif name == "store":
                array, index = entry(words[1])
                array[index] = value(words[0])
            elif name == "load":
                array, index = entry(words[1])
                registers[words[0]] = array[index]
            elif name == "add":
                registers[words[0]] = value(words[1]) + value(words[2])
            elif name in ("bne", "beq", "jmp"):
                if name == "jmp" or (value(words[0]) == value(words[1])) == (name == "beq"):
                    line = int(words[-1])
            elif name in ("create_epr", "recv_epr"):
                for qubit in arrays[value(words[2])]:
                    self.fetch(node, qubit)
            elif name == "qalloc":
                self.add([(node, value(words[0]))], [1, 0])
            elif name == "meas":
                qubit = (node, value(words[0]))
                registers[words[1]] = measured[qubit] = self.drop(qubit, True)
            elif name == "qfree":
                qubit = (node, value(words[0]))
                if qubit not in measured:
                    self.drop(qubit, False)
                measured.pop(qubit, None)
            elif name.startswith("rot_"):
                sigma = {"x": X, "y": Y, "z": Z}[name[-1]]
                half = int(words[1]) * math.pi / 2 ** int(words[2]) / 2
                turn = math.cos(half) * np.eye(2) - 1j * math.sin(half) * sigma
                self.apply(turn, (node, value(words[0])))
            elif name == "cnot":
                cx = np.eye(4)[[0, 1, 3, 2]]
                self.apply(cx, (node, value(words[0])), (node, value(words[1])))
            elif name in GATES:
                self.apply(GATES[name], (node, value(words[0])))
            else:
                assert name in ("init", "wait_all", "ret_arr"), name


def outcomes(program, runs, seed=0):
    rng = np.random.default_rng(seed)
    rows = {name: [] for name in program.outcomes}
    for _ in range(runs):
        machine = Machine(rng)
        for part in program.subroutines:
            machine.run(part)
        for name, places in program.outcomes.items():
            rows[name].append([machine.arrays[node][address][0] for node, address in places])
    return {name: np.array(found, np.uint8) for name, found in rows.items()}


@pytest.mark.parametrize("label", range(4))
def test_superdense_coding_brings_both_bits(label):
    pair = SuperdensePair(label=label)
    assert (pair.read(outcomes(to_netqasm(pair.build()), 8)) == label).all()


@pytest.mark.parametrize(
    ("circuit", "good"),
    [
        (GhzCopy(phases=(2.0, math.pi - 2.0)), lambda parity: (parity == 1).mean() > 0.9),
        (PhaseDigits(words=(3, 2), sum_bits=3), lambda sums: (sums == 5).all()),
        (StabiliserTest(workers=2), lambda found: not found.failed.any()),
        (StabiliserTest(workers=2, stabiliser="-YY"), lambda found: not found.failed.any()),
        (HashedCheck(workers=2, subset=(True, True)), lambda passed: passed.all()),
        (ZTest(workers=2), lambda passed: passed.all()),
        (
            TieAuditCopy(signs=(1, -1, 1, 1), pairs=((0, 1), (2, 3))),
            lambda found: (found.differs == (found.pair == 0)).all() and len(set(found.pair)) == 2,
        ),
        (
            GapIPPasses(vectors=((1.0,), (1.0,)), phases=(1.0, math.pi)),
            lambda accepted: accepted.mean() > 0.9,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_two_nodes_do_what_the_circuit_does(circuit, good):
    # Outcomes that are certain up to rotations rounded to 1e-4, which shows once in 10⁶ runs.
    assert good(circuit.read(outcomes(to_netqasm(circuit.build()), 20)))


def test_only_two_nodes_that_keep_to_their_own_qubits_are_written():
    with pytest.raises(InputError, match="2 workers"):
        to_netqasm(GhzCopy(phases=(0.0,) * 3).build())
    with pytest.raises(InputError, match="their own qubits"):
        to_netqasm(GhzCopy(phases=(0.0,) * 2, source=Source.CONSTANT_DEPTH).build())


def test_programs_say_what_hosts_carry_and_where_outcomes_are():
    text = str(to_netqasm(SuperdensePair(label=3).build()))
    assert "create_epr" in text
    assert "recv_epr" in text
    assert re.search(r"set R0 \{@\d+\}", text)
    assert "# bits[1]: entry 0 of array @" in text

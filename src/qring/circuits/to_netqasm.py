"""Circuits between two nodes as NetQASM: one program a node, in the vanilla instruction set.

Shared pairs come from the link layer (``create_epr``, ``recv_epr``). NetQASM has no instruction
that sends a qubit, so an encoded qubit is moved by teleportation, over one more pair and two
classical bits: good for a test of the programs, but superdense coding then saves nothing. Bits that
one node needs of the other are carried by the hosts between subroutines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from qring.circuits.portable import SENT
from qring.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["NetqasmProgram", "Subroutine", "to_netqasm"]

_NAMES = ("worker0", "worker1")
_SPLIT = ("half", "node", "check", "copy")
"""Registers with one qubit at each node; any other is at node 0 until it is sent."""
_MOST_QUBITS = 64
_INBOX = 255


class Subroutine(NamedTuple):
    """Program that one node runs at once.

    ``{@k}`` in a line stands for entry 0 of array k at the *other* node, which the hosts fill in.
    """

    node: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetqasmProgram:
    """Subroutines of both nodes, and where outcomes are found.

    Each node runs its own in this order, and waits for pairs and bits that are still to come.
    ``outcomes`` maps each register to one (node, address of an array of length 1) a bit.
    """

    subroutines: tuple[Subroutine, ...]
    outcomes: dict[str, list[tuple[int, int]]]

    def __str__(self) -> str:
        lines = []
        for k, part in enumerate(self.subroutines):
            lines += ["", f"# subroutine {k}, worker {part.node}"]
            lines += part.lines
        lines.append("")
        lines += [
            f"# {name}[{bit}]: entry 0 of array @{address} of worker {node}"
            for name, places in self.outcomes.items()
            for bit, (node, address) in enumerate(places)
        ]
        return "\n".join(lines[1:])


def to_netqasm(circuit: QuantumCircuit) -> NetqasmProgram:
    """Split a circuit between two nodes into their programs.

    Raises:
        InputError: more than two nodes, or a gate between nodes that does not make a pair.
        MissingExtraError: netqasm is not installed.
    """
    for register in circuit.qregs:
        if _is_split(register) and register.size != 2:
            raise InputError(
                f"NetQASM programs are for 2 workers, and this circuit is for {register.size}"
            )
    with _connections() as (connections, sockets):
        walker = _Walker(circuit, connections, sockets)
        for step in circuit.data:
            walker.take(step.operation, list(step.qubits), list(step.clbits))
        return walker.program()


def _is_split(register: Any) -> bool:  # noqa: ANN401
    return register.name.rstrip("0123456789") in _SPLIT


@contextmanager
def _connections() -> Iterator[tuple[list[Any], list[Any]]]:
    """Connections of both nodes that compile and send nothing, and their sockets for pairs."""
    try:
        from netqasm.sdk import EPRSocket
        from netqasm.sdk.connection import DebugConnection
    except ImportError:
        raise MissingExtraError("exporting to NetQASM", "netqasm") from None
    before = DebugConnection.node_ids
    DebugConnection.node_ids = {name: k for k, name in enumerate(_NAMES)}
    sockets = [EPRSocket(other) for other in reversed(_NAMES)]
    connections: list[Any] = []
    try:
        for name, socket in zip(_NAMES, sockets, strict=True):
            connections.append(DebugConnection(name, epr_sockets=[socket], max_qubits=_MOST_QUBITS))
        yield connections, sockets
    finally:
        for connection in connections:
            connection.close()
        DebugConnection.node_ids = before


class _Walker:
    """Goes through a circuit and gives every step to the node that holds its qubits."""

    __slots__ = (
        "_awaited", "_connections", "_inboxes", "_live", "_measured", "_owner", "_parts", "_plus",
        "_registers", "_sockets", "_told", "_used",
    )  # fmt: skip

    def __init__(self, circuit: Any, connections: list[Any], sockets: list[Any]) -> None:  # noqa: ANN401
        self._connections, self._sockets, self._registers = connections, sockets, circuit.cregs
        self._owner: dict[Any, int] = {
            qubit: k if _is_split(register) else 0
            for register in circuit.qregs
            for k, qubit in enumerate(register)
        }
        self._live: dict[Any, Any] = {}  # qubits in a node's memory
        self._plus: set[Any] = set()  # qubits in |+⟩ that are in no memory yet
        self._measured: dict[Any, tuple[int, Any]] = {}  # node and future of every outcome
        self._told: dict[tuple[int, int], Any] = {}  # outcomes in the other node's inbox
        self._inboxes = [connection.new_array(_INBOX) for connection in connections]
        self._used = [0, 0]
        self._awaited: list[list[str]] = [[], []]  # lines that put bits into an inbox
        self._parts: list[Subroutine] = []

    def program(self) -> NetqasmProgram:
        """Instructions taken so far."""
        self._flush(0)
        self._flush(1)
        places = {
            register.name: [
                (self._measured[bit][0], self._measured[bit][1]._address)
                for bit in register
                if bit in self._measured
            ]
            for register in self._registers
        }
        return NetqasmProgram(subroutines=tuple(self._parts), outcomes=places)

    def take(self, operation: Any, qubits: list[Any], clbits: list[Any]) -> None:  # noqa: ANN401
        """Add one step of the circuit."""
        name = operation.name
        if name == "barrier":
            if operation.label == SENT:
                for qubit in qubits:
                    self._teleport(qubit)
        elif name == "delay":
            pass  # programs say what to do, not how long a memory holds
        elif name == "h" and qubits[0] not in self._live and qubits[0] not in self._plus:
            self._plus.add(qubits[0])
        elif name == "cx":
            self._cx(*qubits)
        elif name == "measure":
            qubit = self._memory(qubits[0])
            self._measured[clbits[0]] = (self._owner[qubits[0]], qubit.measure())
            del self._live[qubits[0]]
        elif name == "reset":
            if qubits[0] in self._live:
                self._live.pop(qubits[0]).free()
            self._plus.discard(qubits[0])
        elif name == "if_else":
            self._branch(operation, qubits, clbits)
        else:
            self._gate(name, operation.params, self._memory(qubits[0]))

    def _memory(self, qubit: Any) -> Any:  # noqa: ANN401
        """The qubit in its node's memory, put there if need be."""
        if qubit not in self._live:
            from netqasm.sdk import Qubit

            self._live[qubit] = Qubit(self._connections[self._owner[qubit]])
            if qubit in self._plus:
                self._plus.remove(qubit)
                self._live[qubit].H()
        return self._live[qubit]

    def _pair(self) -> tuple[Any, Any]:
        """Halves of a fresh pair, node 0's first. Node 0 asks for it."""
        return self._sockets[0].create_keep()[0], self._sockets[1].recv_keep()[0]

    def _cx(self, control: Any, target: Any) -> None:  # noqa: ANN401
        if self._owner[control] == self._owner[target]:
            self._memory(control).cnot(self._memory(target))
            return
        if control not in self._plus or target in self._live or target in self._plus:
            raise InputError(
                "nodes of a NetQASM program act on their own qubits only; use the source 'chain'"
            )
        self._plus.remove(control)
        halves = self._pair()
        for qubit in (control, target):
            self._live[qubit] = halves[self._owner[qubit]]

    def _teleport(self, qubit: Any) -> None:  # noqa: ANN401
        """Move a qubit to the other node."""
        src = self._owner[qubit]
        sent, halves = self._memory(qubit), self._pair()
        sent.cnot(halves[src])
        sent.H()
        outcomes = [(src, sent.measure()), (src, halves[src].measure())]
        self._owner[qubit], self._live[qubit] = 1 - src, halves[1 - src]
        phase, bit = (self._tell(outcome, 1 - src) for outcome in outcomes)
        with bit.if_eq(1):
            halves[1 - src].X()
        with phase.if_eq(1):
            halves[1 - src].Z()

    def _tell(self, outcome: tuple[int, Any], node: int) -> Any:  # noqa: ANN401
        """An outcome where ``node`` can read it."""
        origin, future = outcome
        if origin == node:
            return future
        key = (origin, future._address)
        if key not in self._told:
            # It must have been measured before it can be carried, and be there before it is read.
            self._flush(origin)
            self._flush(node)
            entry = self._used[node]
            if entry == _INBOX:
                raise InputError(
                    f"this program would carry more than {_INBOX} bits between its hosts; make "
                    "the circuit shorter"
                )
            self._used[node] += 1
            self._awaited[node] += [
                f"set R0 {{@{future._address}}}",
                f"set R1 {entry}",
                "store R0 @0[R1]",
            ]
            self._told[key] = self._inboxes[node].get_future_index(entry)
        return self._told[key]

    def _branch(self, operation: Any, qubits: list[Any], clbits: list[Any]) -> None:  # noqa: ANN401
        """Translate ``if``, nested or not; all its qubits are at one node."""
        (node,) = {self._owner[qubit] for qubit in qubits}
        for qubit in qubits:
            self._memory(qubit)
        for bit in clbits:
            self._tell(self._measured[bit], node)
        self._nest(operation, qubits, clbits, node)

    def _nest(self, operation: Any, qubits: list[Any], clbits: list[Any], node: int) -> None:  # noqa: ANN401
        bit, wanted = operation.condition
        future = self._tell(self._measured[bit], node)
        for block, value in zip(operation.blocks, (int(wanted), 1 - int(wanted)), strict=False):
            if block is None:
                continue
            inside = dict(zip((*block.qubits, *block.clbits), (*qubits, *clbits), strict=True))
            with future.if_eq(value):
                for step in block.data:
                    wires = [inside[qubit] for qubit in step.qubits]
                    bits = [inside[bit] for bit in step.clbits]
                    if step.operation.name == "if_else":
                        self._nest(step.operation, wires, bits, node)
                    else:
                        self._gate(step.operation.name, step.operation.params, self._live[wires[0]])

    def _gate(self, name: str, params: list[Any], qubit: Any) -> None:  # noqa: ANN401
        """Apply a gate of one qubit, up to a global phase."""
        if name in ("h", "x", "z", "s"):
            getattr(qubit, name.upper())()
        elif name == "sdg":
            qubit.rot_Z(n=3, d=1)
        elif name == "p":
            _rotate(qubit.rot_Z, params[0])
        elif name == "u":
            theta, phi, lam = map(float, params)
            _rotate(qubit.rot_Z, lam)
            _rotate(qubit.rot_Y, theta)
            _rotate(qubit.rot_Z, phi)
        else:
            raise InputError(f"no NetQASM program is written for the operation {name!r}")

    def _flush(self, node: int) -> None:
        """End the subroutine that ``node`` is in the middle of, if it says anything yet."""
        compiled = self._connections[node].compile()
        if compiled is None:
            return
        # Jumps count from the first line, so what the host stores is a subroutine of its own.
        if self._awaited[node]:
            self._parts.append(Subroutine(node, tuple(self._awaited[node])))
            self._awaited[node] = []
        _, *lines, _ = str(compiled).splitlines()
        self._parts.append(Subroutine(node, tuple(line.strip() for line in lines)))


def _rotate(rotation: Any, angle: float) -> None:  # noqa: ANN401
    """Rotate by a sum of terms n·π/2^d that the SDK finds within 1e-4 of ``angle``."""
    angle = float(angle) % math.tau
    if min(angle, math.tau - angle) > 1e-9:
        rotation(angle=angle)

"""Circuits as text: OpenQASM 3, stim, NetQASM, or a drawing."""

from __future__ import annotations

import io
import warnings
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from qring.atomic import check_writable, write
from qring.circuits.portable import import_qiskit
from qring.circuits.to_netqasm import to_netqasm
from qring.circuits.to_stim import to_stim
from qring.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

__all__ = ["Format", "draw", "export"]


class Format(str, Enum):
    """Formats that a circuit can be written in."""

    QASM3 = "qasm3"
    STIM = "stim"
    NETQASM = "netqasm"
    TEXT = "text"


def export(circuit: QuantumCircuit, format_: Format) -> str:
    """Write a circuit down; ``TEXT`` is a drawing for people.

    OpenQASM 3 drops the labels of barriers; otherwise Qiskit's own loader gives the same circuit.

    Raises:
        InputError: the circuit cannot be written in this format.
        MissingExtraError: a package that the format needs is not installed.
    """
    import_qiskit()
    if format_ is Format.QASM3:
        from qiskit import qasm3

        return str(qasm3.dumps(circuit))
    if format_ is Format.STIM:
        return str(to_stim(circuit).circuit)
    if format_ is Format.NETQASM:
        return str(to_netqasm(circuit))
    with warnings.catch_warnings():  # whoever prints the drawing sees to what a terminal lacks
        warnings.filterwarnings("ignore", message="The encoding")
        return str(circuit.draw("text", fold=100))


def draw(circuit: QuantumCircuit, path: Path) -> None:
    """Draw a circuit into a picture whose name ends in .png, .svg or .pdf.

    Raises:
        InputError: another ending, or the file cannot be written.
        MissingExtraError: Matplotlib or pylatexenc is not installed.
    """
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"pictures end in .png, .svg or .pdf, and {path} does not")
    check_writable(path)
    try:
        import matplotlib.figure
        import pylatexenc  # noqa: F401 - Qiskit's drawer needs it
    except ImportError:
        raise MissingExtraError("drawing circuits", "plots") from None
    figure: matplotlib.figure.Figure = circuit.draw("mpl", fold=25)
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:], bbox_inches="tight")
    write(path, picture.getbuffer())

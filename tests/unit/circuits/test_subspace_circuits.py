"""Circuits of SubspaceAudit, run on Aer, against the exact share."""

import math

import numpy as np
import pytest

from qring import InputError

pytest.importorskip("qiskit_aer")

from qring.circuits.sampling import aer_sampling
from qring.circuits.subspace_audit import SubspaceCopy, TangentCopy
from qring.conflict.subspace.audit import share
from qring.conflict.subspace.span import Dense
from qring.conflict.subspace.tangent import Tangent

SHOTS = 4000


def close(mean, truth):
    return abs(mean - truth) < 5.5 * math.sqrt(truth * (1 - truth) / SHOTS)


def sampled(copy):
    return aer_sampling(seed=3).sample(copy, SHOTS)


@pytest.mark.parametrize("d", [8, 11])
def test_a_basis_change_measures_the_share(d):
    rng = np.random.default_rng(d)
    vector, dense = rng.normal(size=d), Dense.of(rng.normal(size=(3, d)))
    found = sampled(SubspaceCopy(vector=vector, basis=dense.basis))
    assert close(found.mean(), share(vector, dense))


def test_adapters_take_local_turns_only():
    rng = np.random.default_rng(2)
    low = Tangent.of(rng.normal(size=(4, 1)), rng.normal(size=(1, 8)))
    matrix = rng.normal(size=(4, 8))
    copy = TangentCopy(matrix=matrix, rows=low.rows, columns=low.columns)
    assert close(sampled(copy).mean(), share(matrix.reshape(-1), low))
    circuit = copy.build()
    last = max(k for k, gate in enumerate(circuit.data) if gate.operation.name == "barrier")
    where = {q: register.name for register in circuit.qregs for q in register}
    joined = [gate for gate in circuit.data[last + 1 :] if len({where[q] for q in gate.qubits}) > 1]
    assert joined == []


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SubspaceCopy(vector=np.zeros(4), basis=np.eye(4)[:1]), "no state"),
        (lambda: SubspaceCopy(vector=np.ones(4), basis=np.eye(4)), "0 < k < d"),
        (lambda: SubspaceCopy(vector=np.ones(4), basis=2 * np.eye(4)[:1]), "orthonormal"),
        (lambda: SubspaceCopy(vector=np.ones(300), basis=np.eye(300)[:1]), "2 to 256"),
        (lambda: TangentCopy(matrix=np.ones((3, 4)), rows=np.eye(3)[:, :1],
                             columns=np.eye(4)[:, :1]), "powers of two"),
    ],
)  # fmt: skip
def test_what_has_no_circuit_is_refused(build, message):
    with pytest.raises(InputError, match=message):
        build()

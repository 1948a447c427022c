"""torchjd's weightings over GapIP's findings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize

from qring.conflict.oracle import ConflictOracle
from qring.torch import tasks

aggregation = pytest.importorskip("torchjd.aggregation")


def gradients(count=3, d=400, seed=0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=d)
    return np.stack([rng.normal(size=d) + (-1) ** k * shared for k in range(count)])


def pcgrad(gramian):
    torch.manual_seed(0)  # the order of projections
    return aggregation.PCGradWeighting()(torch.from_numpy(gramian)).numpy()


def test_pcgrad_over_the_oracle_is_close_to_pcgrad_over_exact_products():
    rows = gradients()
    exact = pcgrad(rows @ rows.T) @ rows
    oracle = ConflictOracle.of(rows, margin=0.02, error=0.1, rng=np.random.default_rng(0))
    torch.manual_seed(0)
    ours = tasks.weights(oracle, aggregation.PCGradWeighting()).numpy() @ rows
    cosine = ours @ exact / np.linalg.norm(ours) / np.linalg.norm(exact)
    assert cosine > 0.995
    mean = rows.mean(axis=0)
    assert cosine > mean @ exact / np.linalg.norm(mean) / np.linalg.norm(exact)


class Misled(ConflictOracle):
    """Every pair is found to oppose nearly exactly: no vectors are like that."""

    def cosine(self, i, j):
        return -0.95


@pytest.mark.parametrize("count", [2, 3, 5])
def test_no_weighting_fails_on_findings_that_cannot_be(count):
    oracle = Misled.of(gradients(count), margin=0.1, error=0.1, rng=np.random.default_rng(0))
    projector = tasks.dual_cone_projector()
    for weighting in (
        aggregation.PCGradWeighting(),
        aggregation.UPGradWeighting(projector=projector),
        aggregation.MGDAWeighting(),
    ):
        found = tasks.weights(oracle, weighting)
        assert found.shape == (count,)
        assert torch.isfinite(found).all()


@pytest.mark.parametrize("count", [2, 3, 6])
def test_the_projector_minimises_the_quadratic_programme(count):
    rng = np.random.default_rng(count)
    rows = rng.normal(size=(count, count + 2))
    rows[0] -= rows[1:].sum(axis=0)
    gramian = rows @ rows.T
    projector = tasks.dual_cone_projector()
    lifted = projector(torch.eye(count, dtype=torch.float64), torch.from_numpy(gramian)).numpy()
    for row, unit in zip(lifted, np.eye(count), strict=True):
        assert (row >= unit - 1e-12).all()
        reference = optimize.minimize(
            lambda v: v @ gramian @ v,
            unit,
            jac=lambda v: 2 * gramian @ v,
            bounds=[(low, None) for low in unit],
        )
        assert row @ gramian @ row <= reference.fun + 1e-9
        assert (rows @ (row @ rows) >= -1e-9).all()  # in the dual cone: opposes no gradient


def test_a_projector_of_singular_and_of_zero_gramians():
    projector = tasks.dual_cone_projector()
    for gramian in (torch.zeros(2, 2), torch.tensor([[1.0, -1.0], [-1.0, 1.0]])):
        assert torch.isfinite(projector(torch.eye(2), gramian)).all()

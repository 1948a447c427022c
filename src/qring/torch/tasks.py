"""Conflicting tasks: GapIP's findings for ``torchjd``'s weightings.

oracle = ConflictOracle(gradients, margin=0.05, error=0.1, rng=rng)
weights = qring.torch.tasks.weights(oracle, PCGradWeighting())
step = weights @ gradients
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from qring.conflict.oracle import ConflictOracle
from qring.errors import MissingExtraError

if TYPE_CHECKING:
    from torchjd.aggregation import Weighting
    from torchjd.linalg import DualConeProjector

__all__ = ["dual_cone_projector", "weights"]


def weights(oracle: ConflictOracle, weighting: Weighting[Any]) -> Tensor:
    """The weights that a ``torchjd`` weighting gives to the oracle's Gramian; shape (m,), float64.

    The Gramian is positive semidefinite whatever the measurements said. ``UPGradWeighting`` solves
    a quadratic programme: give it :func:`dual_cone_projector`, or install what torchjd asks for.
    """
    found: Tensor = weighting(torch.from_numpy(oracle.gramian()))
    return found


def dual_cone_projector() -> DualConeProjector:
    """A projector for ``UPGradWeighting(projector=...)`` by non-negative least squares.

    Minimises vᵀGv over v ≥ u with SciPy alone; torchjd's own needs quadprog, which is under the
    GPL. Source: Quinton and Rey, Jacobian descent for multi-objective optimization (2024),
    proposition 1.

    Raises:
        MissingExtraError: torchjd or SciPy is not installed.
    """
    try:
        from scipy.optimize import nnls
        from torchjd.linalg import DualConeProjector
    except ImportError:
        raise MissingExtraError("projecting gradients of conflicting tasks", "tasks") from None

    class Projector(DualConeProjector):
        """v = u + w with w ≥ 0 minimises |A(u + w)|² for any A with AᵀA = G."""

        def __call__(self, U: Tensor, G: Tensor) -> Tensor:  # noqa: N803 - torchjd's names
            scale = float(G.diagonal().max()) or 1.0
            values, vectors = np.linalg.eigh(G.double().cpu().numpy() / scale)
            root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
            rows = U.double().cpu().numpy().reshape(-1, len(values))
            lifted = [row + nnls(root, -root @ row)[0] for row in rows]
            return torch.from_numpy(np.array(lifted)).reshape(U.shape).to(U)

    return Projector()

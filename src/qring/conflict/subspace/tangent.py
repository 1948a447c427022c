"""Tangent spaces of low-rank matrices: where an adapter's small steps can take a weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qring.conflict.subspace.span import Dense, check_dimension
from qring.errors import InputError

__all__ = ["Tangent", "as_dense"]


@dataclass(frozen=True, slots=True, eq=False)
class Tangent:
    """{dB·A + B·dA}: all matrices U·X + Y·Vᵀ, flattened row by row; d = n1·n2.

    ``rows`` is U (n1, r), ``columns`` V (n2, s), both of orthonormal columns. With G the vector as
    a matrix P(G) = UUᵀG + GVVᵀ − UUᵀGVVᵀ; k = r·n2 + s·n1 − r·s.
    """

    rows: NDArray[np.floating[Any]]
    columns: NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        check_dimension(self.dimension, self.coords)

    @property
    def shape(self) -> tuple[int, int]:
        """(n1, n2)."""
        return len(self.rows), len(self.columns)

    @property
    def coords(self) -> int:
        """n1·n2."""
        return len(self.rows) * len(self.columns)

    @property
    def dimension(self) -> int:
        """K."""
        (n1, r), (n2, s) = self.rows.shape, self.columns.shape
        return int(r * n2 + s * n1 - r * s)

    def project(self, vector: NDArray[Any]) -> NDArray[Any]:
        """P·v."""
        matrix = vector.reshape(self.shape)
        left = self.rows @ (self.rows.T @ matrix)
        rest = matrix - left
        return np.asarray((left + (rest @ self.columns) @ self.columns.T).reshape(-1))

    def energy(self, vector: NDArray[Any]) -> float:
        """|UᵀG|² + |GV|² − |UᵀGV|²: two products with thin matrices."""
        matrix = vector.reshape(self.shape)
        kind = matrix.dtype if matrix.dtype in (np.float32, np.float64) else np.dtype(np.float64)
        rows, columns = self.rows.astype(kind), self.columns.astype(kind)
        left, right = rows.T @ matrix, matrix @ columns
        both = left @ columns
        return _square(left) + _square(right) - _square(both)

    @classmethod
    def of(cls, left: ArrayLike, right: ArrayLike) -> Tangent:
        """From the factors of an adapter, B (n1, r) and A (r, n2) of the product B·A.

        A factor without full rank, such as B of a fresh adapter, spans fewer directions; a factor
        of zeros spans none.

        Raises:
            InputError: factors that are not matrices of one inner size, not finite, or both zero.
        """
        b, a = _matrix("the left factor", left), _matrix("the right factor", right)
        if b.shape[1] != a.shape[0]:
            raise InputError(
                f"factors {b.shape} and {a.shape} have no product; B is (n1, r) and A (r, n2)"
            )
        rows, columns = _span(b), _span(a.T)
        if not rows.shape[1] + columns.shape[1]:
            raise InputError("both factors are zero: the adapter's tangent space is empty")
        return cls(rows, columns)


def as_dense(tangent: Tangent) -> Dense:
    """The same subspace by an explicit basis, for small sizes."""
    n1, n2 = tangent.shape
    full, _ = np.linalg.qr(tangent.rows, mode="complete")
    outside = full[:, tangent.rows.shape[1] :]
    first = [np.outer(u, e).ravel() for u in tangent.rows.T for e in np.eye(n2)]
    second = [np.outer(w, v).ravel() for w in outside.T for v in tangent.columns.T]
    return Dense(np.array(first + second).reshape(-1, n1 * n2))


def _matrix(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array: NDArray[Any] = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "biuf" or 0 in array.shape:
        raise InputError(f"{name} must be a matrix of real numbers, not {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds a value that is not finite")
    return array.astype(np.float64)


def _span(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal columns that span those of ``matrix``."""
    left, sizes, _ = np.linalg.svd(matrix, full_matrices=False)
    kept = sizes > 1e-8 * max(float(sizes[0]), 1e-300)
    return np.asarray(left[:, kept])


def _square(matrix: NDArray[Any]) -> float:
    flat = matrix.reshape(-1)
    return float(np.dot(flat, flat))

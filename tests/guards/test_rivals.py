"""No figure rests on a rival weaker than the best we know: README and guides against the rivals."""

import re
from pathlib import Path

import numpy as np
import pytest

from qring.conflict.matching import AffinePairs
from qring.conflict.sketches import best_rival
from qring.conflict.subspace.rivals import index_rival
from qring.conflict.tie_rivals import Shape, best_tie_rival
from qring.theory import separations

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONFLICT = (ROOT / "docs/guides/conflict.md").read_text()
SUBSPACE = (ROOT / "docs/guides/subspace.md").read_text()
ACCURACY = 0.1, 0.05


def row(text, start):
    found = [line for line in text.splitlines() if line.startswith(f"| {start}")]
    assert len(found) == 1, start
    return found[0]


def equal_groups(d, count):
    return Shape(d, np.array([d // count]), np.array([count]))


def test_the_readme_names_the_best_rivals():
    gap = best_rival(10**6, 0.05, 0.01)
    line = row(README, "do two gradients of 10⁶ coordinates conflict?")
    assert f"{gap.bits:,} bits" in line
    assert f"{gap.dense_coded_qubits:,} qubits dense-coded" in line
    ties = best_tie_rival(AffinePairs(coords=10**9), *ACCURACY).bits
    assert f"{ties:,} bits" in row(README, "share of tied pairs in conflict, d = 10⁹")
    groups = best_tie_rival(equal_groups(10**6, 16), *ACCURACY).bits
    assert f"against {groups} bits" in row(README, "the same for a codebook of 16 groups")
    span = index_rival(4096**2, 16 * (2 * 4096 - 16), *ACCURACY).bits
    assert f"{span:,} bits" in row(README, "share of an update in a rank-16 adapter's span")


@pytest.mark.parametrize(
    ("start", "shape"),
    [(f"pairs, d = 10{power}", AffinePairs(coords=10**k)) for power, k in
     (("⁴", 4), ("⁶", 6), ("⁹", 9))]
    + [(f"{count:,} groups", equal_groups(10**6, count)) for count in (16, 160, 1000, 5000)],
)  # fmt: skip
def test_the_guides_table_of_ties_names_the_best_rivals(start, shape):
    cells = [cell.strip() for cell in row(CONFLICT, start).split("|")]
    best = best_tie_rival(shape, *ACCURACY)
    assert cells[3] == f"{best.bits:,}"
    assert cells[4] == f"{best.dense_coded_qubits:,}"
    qubits = int(cells[5].replace(",", ""))
    assert cells[6].startswith("quantum" if qubits < best.bits else "classical")


def test_the_guides_crossovers_are_against_indices():
    for text, constant in (
        (".057", separations.index_constant(0.1, 16)),
        (".0474", separations.index_constant(0.1)),
        (".024", separations.index_constant(0.1) / 2),
    ):
        margin = separations.crossover_margin(constant, 1.25, 10**6)
        assert float(text) == pytest.approx(margin, rel=0.02)
        assert f"{text}" in CONFLICT
    assert ".1032" not in README + CONFLICT


@pytest.mark.parametrize(
    ("start", "d", "k"),
    [("half of d = 10⁴", 10**4, 5000), ("half of d = 10⁶", 10**6, 500_000),
     ("half of d = 10⁹", 10**9, 5 * 10**8), ("rank 16 on 4096×4096", 4096**2, 130_816),
     ("rank 64 on 4096×4096", 4096**2, 520_192), ("16 groups, d = 10⁶", 10**6, 16),
     ("1,000 groups, d = 10⁶", 10**6, 1000)],
)  # fmt: skip
def test_the_guides_table_of_subspaces_names_the_best_rivals(start, d, k):
    best = index_rival(d, k, *ACCURACY)
    found = [int(cell.replace(",", "")) for cell in re.findall(r"[\d,]{3,}", row(SUBSPACE, start))]
    assert best.bits in found
    assert best.dense_coded_qubits in found
    assert index_rival(d, k, *ACCURACY, 16).bits in found
    assert 100 * (d - 1).bit_length() in found

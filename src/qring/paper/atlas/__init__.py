"""Atlas of statistics of an aggregate: costs, with sources."""

from qring.paper.atlas import process, relation, value

__all__ = ["ENTRIES"]

ENTRIES = (*value.ENTRIES, *process.ENTRIES, *relation.ENTRIES)
"""By regime of the paper's hierarchy."""

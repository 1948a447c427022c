"""What can be asked of an aggregate, and what it costs: an atlas with sources."""

from qring.paper.atlas import process, relation, value

__all__ = ["ENTRIES"]

ENTRIES = (*value.ENTRIES, *process.ENTRIES, *relation.ENTRIES)
"""By regime of the paper's hierarchy."""

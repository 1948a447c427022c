"""Every numbered statement of the paper as a value, one file a topic."""

from qring.paper.claims import (
    gap_ip,
    ghz,
    hierarchy,
    ideal,
    ring,
    tie_audit,
    topology,
    verification,
)

__all__ = ["CLAIMS"]

CLAIMS = (
    *ring.CLAIMS,
    *ghz.CLAIMS,
    *ideal.CLAIMS,
    *verification.CLAIMS,
    *gap_ip.CLAIMS,
    *tie_audit.CLAIMS,
    *hierarchy.CLAIMS,
    *topology.CLAIMS,
)
"""Grouped by topic: the ring, GHZ phases, privacy, conflicts."""

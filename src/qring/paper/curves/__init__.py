"""The curves of the report, in its order."""

from qring.paper.curves import conflict, privacy, ring

__all__ = ["CURVES"]

CURVES = (*ring.CURVES, *privacy.CURVES, *conflict.CURVES)
"""One file a topic, as with claims."""

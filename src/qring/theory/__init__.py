"""Closed forms: what a run should be observed to cost. Protocols never import this package."""

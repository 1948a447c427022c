"""Differential privacy for sums of words: noise that is shared out among the workers."""

"""Gradients to words, words to bits, bits to Pauli labels, and back. Pure functions of arrays."""

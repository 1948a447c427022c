"""Memories that keep halves of pairs: decay, capacity, cutoffs and policies."""

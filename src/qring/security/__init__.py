"""Protocols that sum without showing the summands, and attacks on them."""

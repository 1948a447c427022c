"""Verified GHZ aggregation: test the copies first, then encode on those that are left."""

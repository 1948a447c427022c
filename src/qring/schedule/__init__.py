"""Schedules as data: rounds of hops, each a chunk from one node to another."""

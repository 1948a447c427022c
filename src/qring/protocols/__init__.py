"""Protocols by name: one entry a file, read by every interface."""

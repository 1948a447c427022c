"""Secure aggregation as bytes in and bytes out: a state machine a role, whatever carries them."""

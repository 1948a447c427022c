"""Sums in the phases of shared GHZ states: the method, and one readout a file."""

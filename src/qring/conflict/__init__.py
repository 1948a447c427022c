"""Conflict detection after an all-reduce: do two gradients oppose, do tied signs disagree?

``gap_ip`` and ``tie_audit`` are the quantum protocols, ``sketches`` and ``tie_rivals`` their
classical rivals at their best. Source: paper section 5 and appendices B to D.
"""

"""The leakage laboratory: run an attack on a protocol, and say what it tells of one word.

Every worker holds one word, uniformly random mod 2^B and independent of the others' words, so
that the sum alone would tell nothing of any one. What is measured is I(X; V): the bits that all
an attacker sees and holds, V, tell on the word X of the last worker. Sums are formed mod 2^B.

An attack is a module of :mod:`qring.security.leakage.attacks`; what it says it is good against,
:func:`~qring.security.leakage.laboratory.attack` runs it on.
"""

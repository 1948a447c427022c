"""One attack a module, each with an ``ATTACK``: its name, and what it does to which protocol.

To add one, write such a module and list it in :mod:`qring.security.leakage.laboratory`.
"""

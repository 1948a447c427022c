"""The one verb of the laboratory, and the attacks and protocols it knows."""

from __future__ import annotations

import numpy as np

from qring.errors import InputError
from qring.security.leakage.attacks import lying_node, tampering, wiretap
from qring.security.leakage.attacks.attack import Attack
from qring.security.leakage.report import Leak, Setting

__all__ = ["ATTACKS", "PROTOCOLS", "attack"]

ATTACKS: dict[str, Attack] = {
    one.name: one for one in (wiretap.ATTACK, *tampering.ATTACKS, lying_node.ATTACK)
}
PROTOCOLS = tuple(dict.fromkeys(name for one in ATTACKS.values() for name in one.against))


def attack(name: str, protocol: str, setting: Setting, rng: np.random.Generator) -> Leak:
    """Run the attack ``name`` on ``protocol``, one of :data:`PROTOCOLS`.

    Raises:
        InputError: no such attack, nothing for it to do there, or sizes that cannot be followed.
    """
    if name not in ATTACKS:
        raise InputError(f"no attack is called {name!r}; there are {', '.join(ATTACKS)}")
    chosen = ATTACKS[name]
    if protocol not in chosen.against:
        raise InputError(
            f"{name} ({chosen.about}) has nothing to do against {protocol}; it goes against "
            f"{', '.join(chosen.against)}"
        )
    return chosen.against[protocol](setting, rng)

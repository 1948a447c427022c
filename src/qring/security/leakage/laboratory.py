"""The one verb of the laboratory, and the attacks and protocols it knows."""

from __future__ import annotations

import numpy as np

from qring.errors import InputError
from qring.registry import PROTOCOLS
from qring.security.leakage.attacks import lying_node, tampering, wiretap
from qring.security.leakage.attacks.attack import Attack, Experiment
from qring.security.leakage.report import Leak, Setting

__all__ = ["ATTACKS", "against", "attack", "attacked"]

ATTACKS: dict[str, Attack] = {
    one.name: one for one in (wiretap.ATTACK, *tampering.ATTACKS, lying_node.ATTACK)
}
_BUILT_IN = tuple(dict.fromkeys(name for one in ATTACKS.values() for name in one.against))


def attacked() -> tuple[str, ...]:
    """Protocols that some attack goes against, those of the registry's other entries included."""
    others = (name for name, entry in PROTOCOLS.items() if entry.attacks)
    return tuple(dict.fromkeys((*_BUILT_IN, *others)))


def against(name: str) -> dict[str, Experiment]:
    """Experiments of the attack ``name``, by protocol.

    Raises:
        InputError: no such attack.
    """
    if name not in ATTACKS:
        raise InputError(f"no attack is called {name!r}; there are {', '.join(ATTACKS)}")
    own = {key: entry.attacks[name] for key, entry in PROTOCOLS.items() if name in entry.attacks}
    return {**ATTACKS[name].against, **own}


def attack(name: str, protocol: str, setting: Setting, rng: np.random.Generator) -> Leak:
    """Run the attack ``name`` on ``protocol``, one of :func:`attacked`.

    Raises:
        InputError: no such attack, nothing for it to do there, or sizes that cannot be followed.
    """
    experiments = against(name)
    if protocol not in experiments:
        raise InputError(
            f"{name} ({ATTACKS[name].about}) has nothing to do against {protocol}; it goes against "
            f"{', '.join(experiments)}"
        )
    return experiments[protocol](setting, rng)

"""Links of SquidASM's network configurations (YAML), read as profiles and written from them.

SquidASM's ``depolarise`` link makes a Werner pair of ``fidelity`` with ``prob_success`` every
``t_cycle`` ns; its ``heralded`` link is a double click half way, an attempt as long as light
travels over its ``length`` in km. T1 and T2 of ``generic`` devices are in ns; 0 means for ever.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from qring.atomic import write_text
from qring.errors import InputError, MissingExtraError
from qring.network.generation.generated import FIBRE_KM_PER_S, Generated
from qring.network.generation.heralded import Heralded, bell_measurement
from qring.network.hardware.figure import Figure, Provenance
from qring.network.hardware.files import read_text
from qring.network.hardware.profile import FIGURES, Profile
from qring.network.noise import BellDiagonal
from qring.validate import check_probability, check_real

__all__ = ["read_links", "write_links"]

_NS = 1e-9
_DEPOLARISE = {"fidelity", "prob_success", "t_cycle", "random_bell_state"}
_HERALDED = {
    "length", "p_loss_init", "p_loss_length", "speed_of_light", "dark_count_probability",
    "detector_efficiency", "visibility", "num_resolving",
}  # fmt: skip


def read_links(path: Path) -> dict[tuple[str, str], Profile]:
    """Profiles of all links of a configuration, by the names of the nodes they join.

    A link of the type ``perfect`` makes perfect pairs at once. The memory is the shorter-lived of
    the two nodes' devices.

    Raises:
        InputError: not such a file, a type of link or a key that is not known.
        MissingExtraError: no reader of YAML is installed.
    """
    found = _yaml(path)
    if not isinstance(found, dict) or not isinstance(found.get("links"), list):
        raise InputError(f"{path} is no SquidASM configuration: it has no list 'links'")
    memories = {}
    for stack in found.get("stacks") or []:
        if isinstance(stack, dict) and isinstance(stack.get("qdevice_cfg"), dict):
            memories[str(stack.get("name"))] = stack["qdevice_cfg"]
    profiles = {}
    for link in found["links"]:
        if not isinstance(link, dict) or "typ" not in link:
            raise InputError(f"{path}: a link needs 'stack1', 'stack2' and 'typ'")
        ends = _ends(path, link)
        try:
            profiles[ends] = _profile(path, ends, link, [memories.get(end, {}) for end in ends])
        except InputError as error:
            raise InputError(f"{path}, link {ends[0]}-{ends[1]}: {error}") from None
    return profiles


def write_links(path: Path, links: dict[tuple[str, str], Profile]) -> None:
    """Write a configuration whose ``depolarise`` links make these profiles' pairs.

    What the format cannot say (laws that are not Werner's, capacities, sources) is left out, and a
    comment says so.

    Raises:
        InputError: a link that makes no pairs, or the path cannot be written.
    """
    lines = ["# written by qring: fidelity, rate and memory; laws and sources are left out",
             "stacks:"]  # fmt: skip
    memory = {end: profile for ends, profile in links.items() for end in ends}
    for end, profile in memory.items():
        lines += [f"  - name: {end}", "    qdevice_typ: generic", "    qdevice_cfg:"]
        for key, figure in (("T1", profile.t1_s), ("T2", profile.t2_s)):
            kept = 0.0 if figure is None or figure.value == math.inf else figure.value / _NS
            lines.append(f"      {key}: {kept!r}")
    lines.append("links:")
    for (first, second), profile in links.items():
        rate = profile.pairs_per_s.value
        lines += [f"  - stack1: {first}", f"    stack2: {second}"]
        if rate == math.inf and profile.fidelity.value == 1:
            lines.append("    typ: perfect")
            continue
        if not 0 < rate < math.inf:
            raise InputError(f"a depolarise link makes pairs at a finite rate above 0, not {rate}")
        lines += [
            "    typ: depolarise", "    cfg:", f"      fidelity: {profile.fidelity.value!r}",
            "      prob_success: 1.0", f"      t_cycle: {1 / rate / _NS!r}",
        ]  # fmt: skip
    write_text(path, "\n".join(lines) + "\n")


def _yaml(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    text = read_text(path)
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("reading YAML", "hardware") from None
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        told = str(error).splitlines()[0] if str(error) else "it does not parse"
        raise InputError(f"{path} is not YAML: {told}") from None


def _ends(path: Path, link: dict[str, Any]) -> tuple[str, str]:
    first = link.get("stack1", link.get("node1"))
    second = link.get("stack2", link.get("node2"))
    if first is None or second is None:
        raise InputError(f"{path}: a link needs 'stack1' and 'stack2'")
    return str(first), str(second)


def _profile(
    path: Path, ends: tuple[str, str], link: dict[str, Any], devices: list[dict[str, Any]]
) -> Profile:
    made, length = _generated(link)
    values = {
        "pairs_per_s": math.inf if made is None else made.pairs_per_s,
        "fidelity": 1.0 if made is None else made.fidelity,
        "distance_km": length,
    }
    for name, key in (("t1_s", "T1"), ("t2_s", "T2")):
        lives = [float(device[key]) * _NS for device in devices if device.get(key)]
        values[name] = min(lives) if lives else math.inf
    values["t2_s"] = min(values["t2_s"], 2 * values["t1_s"])
    weights = None if made is None else made.noise.weights
    figures = {
        name: Figure(
            value=value, unit=FIGURES[name][0], source=path.name, date="",
            standing=Provenance.DERIVED,
        )
        for name, value in values.items()
    }  # fmt: skip
    return Profile(
        name=f"{ends[0]}-{ends[1]}", title=f"SquidASM link of the type {link['typ']}",
        weights=weights, references=(path.name,), **figures,  # type: ignore[arg-type]
        assumptions=("T2 is cut to 2·T1 where the file gives more",),
    )  # fmt: skip


def _generated(link: dict[str, Any]) -> tuple[Generated | None, float]:
    """Pairs of a link, None for perfect ones, and its length in km."""
    kind, cfg = link["typ"], link.get("cfg") or {}
    if kind == "perfect":
        return None, 0.0
    allowed = {"depolarise": _DEPOLARISE, "heralded": _HERALDED}.get(kind)
    if allowed is None:
        raise InputError(f"a type {kind!r} is not known: use perfect, depolarise or heralded")
    if not isinstance(cfg, dict) or (strange := sorted(set(cfg) - allowed)):
        told = strange[0] if isinstance(cfg, dict) else cfg
        raise InputError(f"{kind} has no {told!r}: use {', '.join(sorted(allowed))}")
    if kind == "depolarise":
        if missing := sorted({"fidelity", "prob_success", "t_cycle"} - set(cfg)):
            raise InputError(f"depolarise needs {missing[0]!r}")
        check_real("t_cycle", cfg["t_cycle"], above=0)
        check_probability("prob_success", cfg["prob_success"], zero=False)
        made = Generated(
            success=cfg["prob_success"], attempt_s=cfg["t_cycle"] * _NS,
            noise=BellDiagonal.werner(cfg["fidelity"]),
        )  # fmt: skip
        return made, 0.0
    if "length" not in cfg:
        raise InputError("heralded needs 'length'")
    if cfg.get("num_resolving"):
        raise InputError("detectors that count photons are not modelled: num_resolving is false")
    check_probability("p_loss_init", cfg.get("p_loss_init", 0))
    check_real("speed_of_light", cfg.get("speed_of_light", 2e5), above=0)
    model = Heralded(
        fibre_km=cfg["length"], emission=1 - cfg.get("p_loss_init", 0),
        loss_db_per_km=cfg.get("p_loss_length", 0.25), dark=cfg.get("dark_count_probability", 0),
        detection=cfg.get("detector_efficiency", 1.0), overlap=cfg.get("visibility", 1.0),
        trips=FIBRE_KM_PER_S / cfg.get("speed_of_light", 2e5),
    )  # fmt: skip
    return bell_measurement(model), float(cfg["length"])

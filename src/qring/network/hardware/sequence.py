"""Links of SeQUeNCe's network files (JSON), read as profiles and written from them.

A ``qconnections`` entry of the type ``meet_in_the_middle`` joins two routers by fibre of
``distance`` m with ``attenuation`` dB/m; templates give memories (``MemoryArray``: ``efficiency``,
``fidelity``, ``coherence_time`` in s) and detectors. SeQUeNCe takes a pair's fidelity as an input,
and so does this reader; the rate follows from the physics.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from qring.atomic import write_text
from qring.errors import InputError
from qring.network.generation.heralded import Heralded, bell_measurement
from qring.network.hardware.figure import Figure, Provenance
from qring.network.hardware.files import read_json
from qring.network.hardware.profile import FIGURES, Profile
from qring.validate import check_real, check_whole

__all__ = ["TRIPS", "read_links", "write_links"]

TRIPS = 4.0
"""Lengths of the link that signals cross in an attempt of SeQUeNCe, negotiation included."""

_FIBRE_DB_PER_M = 2e-4


def read_links(path: Path) -> dict[tuple[str, str], Profile]:
    """Profiles of all links of a network file, by the names of the routers they join.

    Raises:
        InputError: not such a file, or a link that is not of this type.
    """
    found = read_json(path)
    if not isinstance(found, dict) or not isinstance(found.get("qconnections"), list):
        raise InputError(f"{path} is no SeQUeNCe network: it has no list 'qconnections'")
    templates = found.get("templates") or {}
    nodes = {
        str(node["name"]): node
        for node in found.get("nodes") or []
        if isinstance(node, dict) and "name" in node
    }
    profiles = {}
    for link in found["qconnections"]:
        if not isinstance(link, dict) or "node1" not in link or "node2" not in link:
            raise InputError(f"{path}: a quantum connection needs 'node1' and 'node2'")
        ends = str(link["node1"]), str(link["node2"])
        try:
            profiles[ends] = _profile(path, ends, link, nodes, templates)
        except InputError as error:
            raise InputError(f"{path}, link {ends[0]}-{ends[1]}: {error}") from None
    return profiles


def write_links(path: Path, links: dict[tuple[str, str], Profile], *, memories: int = 10) -> None:
    """Write a network file whose routers are joined by links of these lengths and fidelities.

    SeQUeNCe derives the rate from the fibre, so memory efficiencies are chosen to make the
    profile's; what it cannot reach is refused.

    Raises:
        InputError: a link without length or rate, one too fast for its length, or a path that
            cannot be written.
    """
    templates: dict[str, Any] = {}
    connections = []
    names: list[str] = []
    for ends, profile in links.items():
        distance = profile.distance_km
        if distance is None or distance.value <= 0:
            raise InputError(f"{profile.name} has no length: SeQUeNCe's links are fibres")
        half = Heralded(fibre_km=distance.value, trips=TRIPS, modes=memories)
        most = bell_measurement(half).pairs_per_s
        if not 0 < profile.pairs_per_s.value <= most:
            raise InputError(
                f"{profile.name} makes {profile.pairs_per_s.value:g} pairs/s, but {memories} "
                f"memories over {distance.value:g} km make {most:g} at most: give more memories"
            )
        efficiency = math.sqrt(profile.pairs_per_s.value / most)
        life = (
            -1.0 if profile.t2_s is None or profile.t2_s.value == math.inf else profile.t2_s.value
        )
        for end in ends:
            templates.setdefault(end, {
                "MemoryArray": {"fidelity": profile.fidelity.value, "efficiency": efficiency,
                                "coherence_time": life, "frequency": 1e9},
                "encoding_type": "single_heralded",
            })  # fmt: skip
            if end not in names:
                names.append(end)
        connections.append({
            "node1": ends[0], "node2": ends[1], "attenuation": _FIBRE_DB_PER_M,
            "distance": distance.value * 1000, "type": "meet_in_the_middle",
        })  # fmt: skip
    nodes = [
        {"name": name, "type": "QuantumRouter", "seed": k, "memo_size": memories, "template": name}
        for k, name in enumerate(names)
    ]
    classical = [
        {"node1": a, "node2": b, "delay": round(links[a, b].latency_s * 1e12)} for a, b in links
    ]
    network = {
        "is_parallel": False, "formalism": "bell_diagonal", "templates": templates, "nodes": nodes,
        "qconnections": connections, "cconnections": classical,
    }  # fmt: skip
    write_text(path, json.dumps(network, indent=1) + "\n")


def _profile(
    path: Path, ends: tuple[str, str], link: dict[str, Any], nodes: dict[str, Any],
    templates: dict[str, Any],
) -> Profile:  # fmt: skip
    if link.get("type", "meet_in_the_middle") != "meet_in_the_middle":
        raise InputError(f"a type {link['type']!r} is not read: use 'meet_in_the_middle'")
    for key in ("attenuation", "distance"):
        if key not in link:
            raise InputError(f"a quantum connection needs {key!r}")
        check_real(key, link[key], least=0)
    arrays, sizes, detection = [], [], 1.0
    for end in ends:
        if end not in nodes:
            raise InputError(f"there is no node {end!r}")
        template = templates.get(nodes[end].get("template"), {})
        arrays.append(template.get("MemoryArray", {}))
        sizes.append(nodes[end].get("memo_size", 1))
        check_whole(f"memo_size of {end}", sizes[-1], least=1)
    for template in templates.values():
        for bsm in ("SingleHeraldedBSM", "SingleAtomBSM", "BSM"):
            found = template.get(bsm, {}) if isinstance(template, dict) else {}
            detection = (
                found.get("detectors", {}).get("efficiency", detection) if found else detection
            )
    fidelity = min(array.get("fidelity", 0.85) for array in arrays)
    efficiency = math.sqrt(math.prod(array.get("efficiency", 1.0) for array in arrays))
    lives = [array.get("coherence_time", -1) for array in arrays]
    life = min((one for one in lives if one > 0), default=math.inf)
    length = link["distance"] / 1000
    made = bell_measurement(
        Heralded(
            fibre_km=length, loss_db_per_km=link["attenuation"] * 1000, emission=efficiency,
            detection=detection, trips=TRIPS, modes=min(sizes),
        )
    )  # fmt: skip
    values = {"pairs_per_s": made.pairs_per_s, "fidelity": fidelity, "distance_km": length,
              "t1_s": life, "t2_s": life}  # fmt: skip
    figures = {
        name: Figure(
            value=value, unit=FIGURES[name][0], source=path.name, date="",
            standing=Provenance.DERIVED if name == "pairs_per_s" else Provenance.READ,
        )
        for name, value in values.items()
    }  # fmt: skip
    return Profile(
        name=f"{ends[0]}-{ends[1]}", title="SeQUeNCe link that meets in the middle",
        references=(path.name,), **figures,  # type: ignore[arg-type]
        assumptions=("single-heralded generation, four crossings an attempt",
                     "fidelity is an input of SeQUeNCe, not derived"),
    )  # fmt: skip

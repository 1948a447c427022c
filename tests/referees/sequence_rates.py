"""Rates of heralded links in SeQUeNCe, run by a Python that has it (3.12 or newer).

Usage: python sequence_rates.py PROTOCOL FIBRE_KM MEMORIES EFFICIENCY FIDELITY SECONDS
with PROTOCOL single_heralded or barrett_kok; prints one JSON object.
"""

import importlib.metadata
import json
import sys
import tempfile
from pathlib import Path

from sequence.app.request_app import RequestApp
from sequence.constants import BARRET_KOK, SINGLE_HERALDED
from sequence.entanglement_management.generation import EntanglementGenerationA
from sequence.entanglement_management.generation.generation_base import EntanglementGenerationB
from sequence.topology.router_net_topo import RouterNetTopo


class Counter(RequestApp):
    """Counts pairs as they are born, and gives their memories back."""

    def __init__(self, node):
        super().__init__(node)
        self.times, self.fidelities = [], []

    def get_memory(self, info):
        if info.state == "ENTANGLED":
            self.times.append(self.node.timeline.now())
            self.fidelities.append(info.fidelity)
            self.node.resource_manager.update(None, info.memory, "RAW")


def main():
    protocol = sys.argv[1]
    km, memories, efficiency, fidelity, seconds = (float(word) for word in sys.argv[2:])
    single = protocol == "single_heralded"
    encoding = "single_heralded" if single else "single_atom"
    detectors = [{"efficiency": efficiency, "count_rate": 1e12, "time_resolution": 10}] * 2
    bsm = {"detectors": detectors}
    start, stop = int(1e11), int(1e11 + seconds * 1e12)
    node = {"type": "QuantumRouter", "memo_size": int(memories), "template": "router"}
    config = {
        "is_parallel": False,
        "stop_time": stop,
        "formalism": "bell_diagonal" if single else "ket_vector",
        "templates": {
            "router": {
                "encoding_type": encoding,
                "MemoryArray": {
                    "fidelity": fidelity,
                    "efficiency": efficiency,
                    "coherence_time": -1,
                    "frequency": 1e9,
                },
            },
            "bsm": {
                "encoding_type": encoding,
                "SingleHeraldedBSM" if single else "SingleAtomBSM": bsm,
            },
        },
        "nodes": [{**node, "name": "r1", "seed": 1}, {**node, "name": "r2", "seed": 2}],
        "qconnections": [
            {
                "node1": "r1",
                "node2": "r2",
                "attenuation": 2e-4,
                "distance": km * 1000,
                "type": "meet_in_the_middle",
                "seed": 3,
                "template": "bsm",
            }
        ],
        "cconnections": [{"node1": "r1", "node2": "r2", "delay": round(km / 2e5 * 1e12)}],
    }
    kind = SINGLE_HERALDED if single else BARRET_KOK
    EntanglementGenerationA.set_global_type(kind)
    EntanglementGenerationB.set_global_type(kind)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.json"
        path.write_text(json.dumps(config))
        topology = RouterNetTopo(str(path))
    timeline = topology.get_timeline()
    first, second = topology.get_nodes_by_type(RouterNetTopo.QUANTUM_ROUTER)
    app = Counter(first)
    Counter(second)
    timeline.init()
    app.start(second.name, start, stop, int(memories), 0.1)
    timeline.run()
    count = len(app.times)
    print(
        json.dumps(
            {
                "tool": "SeQUeNCe",
                "version": importlib.metadata.version("sequence"),
                "protocol": protocol,
                "fibre_km": km,
                "memories": memories,
                "efficiency": efficiency,
                "pairs": count,
                "pairs_per_s": count / seconds,
                "fidelity": sum(app.fidelities) / count if count else None,
            }
        )
    )


if __name__ == "__main__":
    main()

"""The referee: the same network with every qubit written out, for few qubits and no haste."""

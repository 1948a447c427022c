"""Each protocol as a circuit: for Qiskit, OpenQASM 3, stim and NetQASM, and read back from them."""

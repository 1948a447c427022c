"""Generation of entanglement: probability, rate and state from physical parameters."""

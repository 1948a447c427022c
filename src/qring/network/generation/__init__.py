"""How entanglement is made: from physical parameters to probability, rate and state."""

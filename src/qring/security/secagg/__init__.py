"""Classical secure aggregation: pairwise masks that cancel, shares that survive dropouts."""

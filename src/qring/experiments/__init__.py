"""Questions the paper leaves open, answered by training small models on real data."""

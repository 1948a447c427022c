"""Ways to read the angle between two workers' vectors, one strategy a file."""

"""Who learns what: protocols that sum without showing the summands."""

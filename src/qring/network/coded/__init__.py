"""Links that correct their noise: codes, checks, retransmissions, and what they cost."""

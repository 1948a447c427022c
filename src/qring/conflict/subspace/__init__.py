"""SubspaceAudit: the share of a vector that lies in a client's private subspace."""

"""The paper's claims, each measured: the only place where protocols and closed forms meet."""

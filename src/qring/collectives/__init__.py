"""All-reduce: the one verb, the methods it knows, and the executor that runs a schedule."""

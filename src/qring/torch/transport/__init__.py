"""Message transport between ranks: shared memory and TCP, for collectives and point to point."""

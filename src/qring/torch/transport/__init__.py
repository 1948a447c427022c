"""How messages move between ranks: parcels in arenas, handed over by memory or by socket."""

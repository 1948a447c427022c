"""Inventory of pairs on the clock: made, kept, aged, distilled, used."""

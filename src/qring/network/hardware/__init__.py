"""Profiles of quantum links as data: figures with unit, date, source and standing."""

"""Offline coded masks: random words of known sum that hide the words of a later ring."""

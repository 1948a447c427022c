"""Schedules in the file formats that other tools read and write."""

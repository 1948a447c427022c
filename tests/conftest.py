"""Every run draws the same examples, so a failure can be repeated by running again."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

"""Every run draws the same examples, so a failure can be repeated by running again."""

import signal

import pytest
from hypothesis import settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as of a job in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # or children would not hear Ctrl-C

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_addoption(parser):
    parser.addoption(
        "--sample", action="store_true", help="run sweeps marked slow in their short form"
    )


def pytest_collection_modifyitems(config, items):
    """With --sample, of the slow tests that have no short form run every fourth."""
    if not config.getoption("--sample"):
        return
    whole = [i for i in items if i.get_closest_marker("slow") and "sweep" not in i.fixturenames]
    dropped = [item for k, item in enumerate(whole) if k % 4]
    config.hook.pytest_deselected(items=dropped)
    items[:] = [item for item in items if item not in dropped]


@pytest.fixture
def sweep(request):
    """Choose how long a slow sweep is: ``sweep(full, sample=short)``."""

    def choose(full, *, sample):
        return sample if request.config.getoption("--sample") else full

    return choose

"""Every run draws the same examples, so a failure can be repeated by running again."""

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_addoption(parser):
    parser.addoption(
        "--sample", action="store_true", help="run sweeps marked slow in their short form"
    )


@pytest.fixture
def sweep(request):
    """Choose how long a slow sweep is: ``sweep(full, sample=short)``."""

    def choose(full, *, sample):
        return sample if request.config.getoption("--sample") else full

    return choose

"""Real programs that a test needs: where CI installs them all, a missing one is a failure, elsewhere a skip."""

import os
from typing import NoReturn

import pytest

# read before any test has an environment of its own
IS_REQUIRED = bool(os.environ.get("VIBEUSAGE_REQUIRE_REAL"))


def unavailable(reason: str) -> NoReturn:
    """Skip with the reason; fail where everything is promised to be there."""
    if IS_REQUIRED:
        pytest.fail(f"{reason}, and VIBEUSAGE_REQUIRE_REAL is set")
    pytest.skip(reason)

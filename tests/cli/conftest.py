"""The command against a real server."""

from pathlib import Path

import pytest

from tests.faults.conftest import namespaces
from tests.serving import Command, address, name, site

__all__ = ["address", "name", "namespaces", "site"]


@pytest.fixture
def ingot(tmp_path: Path, address: str) -> Command:
    """The command of somebody who is logged in through the environment."""
    return Command(tmp_path, address)

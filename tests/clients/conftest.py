"""The original's own command-line client, unmodified, against a real server."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.faults.conftest import namespaces
from tests.serving import PASSWORD, address, name, site

__all__ = ["address", "name", "namespaces", "site"]
_HAMMR = Path(__file__).parents[2] / ".clients/bin/hammr"


@dataclass
class Hammr:
    """hammr as somebody at a shell calls it; `login` are its options for who asks."""

    address: str
    home: Path
    login: tuple[str, ...] = ("-u", "root", "-p", PASSWORD)

    def __call__(self, *argv: str, code: int = 0, stdin: str = "") -> str:
        """What it prints; it must end with this status and without a traceback."""
        done = subprocess.run(
            [_HAMMR, *argv, "-a", self.address, *self.login],
            cwd=self.home,
            env={**os.environ, "HOME": str(self.home), "PYTHONIOENCODING": "utf-8"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        return done.stdout


@pytest.fixture
def hammr(tmp_path: Path, address: str) -> Hammr:
    """The client, logged in as root."""
    if not _HAMMR.exists():
        pytest.skip("hammr is not installed: scripts/clients installs it where there is a Python 2.7")
    return Hammr(f"{address}/api", tmp_path)


@pytest.fixture
def api(address: str) -> Iterator[httpx.Client]:
    """What the server has, seen by another way."""
    with httpx.Client(
        base_url=f"{address}/api/users/root/", auth=("root", PASSWORD), headers={"Accept": "application/json"}
    ) as client:
        yield client

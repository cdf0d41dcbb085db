"""The examples, built from their files and from a server that they were sent to, and booted."""

import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from ingot.build.boot import Accelerator, Firmware, running
from ingot.build.request import BuildRequest, BuildResult
from ingot.build.template import Template
from ingot.build.template_file import read_document
from ingot.client.archive import packed
from tests.build.engine import run_engine
from tests.importing import Importer

pytestmark = pytest.mark.build
_EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*/template.yml"))
_PATIENCE = 400
_Build = Callable[[Template, Path], BuildResult]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Importer]:
    importer = Importer(tmp_path_factory.mktemp("server"))
    yield importer
    importer.database.close()


@pytest.fixture
def build(cache: Path, tmp_path: Path) -> _Build:
    """Run the engine on a template whose files are in a directory."""

    def run(template: Template, files: Path) -> BuildResult:
        scratch = tmp_path / f"scratch-{len(list(tmp_path.iterdir()))}"
        scratch.mkdir()
        return run_engine(
            BuildRequest(
                template=template,
                output=scratch / "disk.qcow2",
                scratch=scratch,
                cache=cache,
                boot_scripts_dir=files,
            )
        )

    return run


def _sent(server: Importer, example: Path) -> int:
    """The appliance that a server makes of an example that `ingot template create` sends."""
    with packed(read_document(example), example.parent) as archive:
        return server.take(archive)


def _page(port: int) -> None:
    """The web server shows what its boot script wrote."""
    assert httpx.get(f"http://127.0.0.1:{port}/").text == "<h1>web-server is up</h1>\n"


def _database(port: int) -> None:
    """PostgreSQL, through the machine's packet filter, asks the shop's user for a password by SCRAM."""
    words = b"user\0shop\0database\0shop\0\0"
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(struct.pack("!II", len(words) + 8, 3 << 16) + words)
        answer = connection.recv(100)
    assert answer[:1] == b"R", answer
    assert b"SCRAM-SHA-256" in answer


#: {example: (the firmware that it boots with, the port it answers on, what to ask there)}; those of disks are booted
#: by test_boot_disks.
_MACHINES: dict[str, tuple[Firmware, int, Callable[[int], None] | None]] = {
    "boot-scripts": ("bios", 22, None),
    "bundles": ("uefi", 22, None),
    "database": ("bios", 5432, _database),
    "web-server": ("uefi", 80, _page),
}


@pytest.mark.slow
@pytest.mark.boot
@pytest.mark.parametrize("way", ["file", "server"])
@pytest.mark.parametrize("name", _MACHINES)
def test_an_example_boots(
    name: str, way: str, server: Importer, build: _Build, cache: Path, accelerator: Accelerator, tmp_path: Path
) -> None:
    """From its file, as `ingot build` makes it, or as the server's worker does."""
    firmware, port, ask = _MACHINES[name]
    example = _EXAMPLES[0].parents[1] / name / "template.yml"
    disk = tmp_path / "disk.qcow2"
    if way == "file":
        ingot = [sys.executable, "-m", "ingot", "build", str(example), "-o", str(disk), "--cache-dir", str(cache)]
        subprocess.run(ingot, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    else:
        built = build(server.template(_sent(server, example)), server.files).output
        assert built is not None
        disk = built
    with running(disk, firmware=firmware, accelerator=accelerator, guest_ports=[port]) as machine:
        report = machine.wait_for_report(_PATIENCE)
        # Each boot script is a unit: one that failed would be among them.
        assert (report.failed_units, report.failed, report.state) == (0, [], "running"), machine.console[-3000:]
        if ask is not None:
            ask(machine.ports[port])

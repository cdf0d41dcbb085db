"""The commands in the guide to evidence, run as they stand there against a real server."""

import json
import re
from pathlib import Path

from tests.faults.conftest import namespaces
from tests.faults.site import Site
from tests.serving import Command, address, site

__all__ = ["address", "namespaces", "site"]
_GUIDE = Path(__file__).parents[2] / "docs/how-to/show-where-images-come-from.md"


def test_the_commands_of_the_guide(site: Site, address: str, tmp_path: Path) -> None:
    ingot = Command(tmp_path, address)
    site.add_appliance("logged")
    site.let_go("logged")
    made = ingot("image", "generate", "logged", "--format", "QCOW2", "--output", "json")
    number = str(json.loads(made)["dbId"])
    ingot("image", "download", number, "--to", "disk.qcow2")
    commands = re.findall(r"^ {4}ingot (image (?!generate).*)$", _GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    commands += re.findall(r"`ingot (image .*?)`", _GUIDE.read_text(encoding="utf-8"))
    assert len(commands) >= 8
    for command in commands:
        ingot(*(number if word == "12" else word for word in command.split()))
    for name in ("bill.json", "manifest.json", "key.pem", "provenance.dsse.json"):
        assert (tmp_path / name).stat().st_size > 0

"""The same manifest gives the same bytes, wherever and whenever; and where images differ, it is said where."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ingot.build.contents import Contents
from ingot.build.manifest import make_manifest
from ingot.build.request import BuildRequest
from ingot.build.template import Template
from tests.build.conftest import BuiltImage
from tests.build.engine import assert_same, copy_packages, differences, run_engine

pytestmark = pytest.mark.build


def _elsewhere() -> list[str]:
    """A prefix that runs a program as on another machine, another day, by somebody else: no network at all, another
    host name, nobody else may read what it writes, and where there is `faketime`, 40 days later."""
    later = ["faketime", "-f", "+40d"] if shutil.which("faketime") else []
    script = 'hostname elsewhere; umask 077; exec "$@"'
    return ["unshare", "--net", "--uts", "sh", "-c", script, "sh", *later]


def test_a_manifest_gives_the_same_bytes_in_other_circumstances(
    template: Callable[[str], Template], scripts: Path, cache: Path, tmp_path: Path
) -> None:
    """With cached trees and without, here and elsewhere."""
    if os.geteuid() != 0:
        pytest.skip("only root may take a network namespace to the engine")
    asked = template("12")
    installation = asked.installation.model_copy(update={"users": ()})  # their key is another one in each run
    asked = asked.model_copy(update={"installation": installation})
    document = make_manifest(asked, cache, Contents(scripts, cache)).document()
    fresh = tmp_path / "a" / "longer" / "way" / "cache"
    environment = {
        **os.environ,
        "TZ": "Pacific/Chatham",
        "LANG": "tr_TR.UTF-8",
        "PYTHONHASHSEED": "42",
        "USER": "else",
    }
    for name in ("raw", "qcow2", "targz"):
        made = []
        for place, where, prefix in (("here", cache, []), ("elsewhere", fresh, _elsewhere())):
            work = tmp_path / f"{place}-{name}"
            work.mkdir()
            if where == fresh and not fresh.exists():
                # Now that the first build has fetched them: elsewhere there is no network.
                copy_packages(cache, fresh)
            request = BuildRequest(
                manifest=document,
                format=name,
                output=work / "image",
                scratch=work,
                cache=where,
                boot_scripts_dir=scripts,
            )
            python = [sys.executable] if prefix else []
            made.append(run_engine(request, [*prefix, *python], environment if prefix else None))
        assert_same(tmp_path / f"here-{name}/image", tmp_path / f"elsewhere-{name}/image")
        assert made[0].sha256 == made[1].sha256
        assert made[0].identity == made[1].identity


def test_a_difference_is_named(images: Callable[[str], BuiltImage], tmp_path: Path) -> None:
    """Files that are changed in the file systems of a copy are what the comparison tells."""
    image, raw = images("12").path, tmp_path / "other.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, raw], check=True)
    assert differences(image, raw) == ["the machine's disk is the same; the files differ in how they hold it"]
    table = subprocess.run(["sfdisk", "--json", raw], check=True, capture_output=True, text=True).stdout
    start = max(partition["start"] for partition in json.loads(table)["partitiontable"]["partitions"])
    (tmp_path / "motd").write_text("Something else\n", encoding="utf-8")
    commands = (
        f"rm /etc/motd\nwrite {tmp_path}/motd /etc/motd\nset_inode_field /etc/hostname mode 0100600\nrm /etc/hosts\n"
    )
    subprocess.run(
        ["debugfs", "-w", "-f", "-", f"{raw}?offset={start * 512}"],
        input=commands,
        text=True,
        check=True,
        capture_output=True,
    )
    said = "\n".join(differences(image, raw))
    assert "/etc/motd: the content differs" in said
    assert "/etc/motd: +Something else" in said
    assert "/etc/hostname: mode 0o644 → 0o600" in said
    assert "/etc/hosts: only in the first" in said
    assert "/etc/fstab" not in said


def test_archives_are_compared_by_their_members(tmp_path: Path) -> None:
    for name, content, mode in (("first", "a", 0o644), ("second", "b", 0o600)):
        for file, text in (("same", "same"), ("changed", content), (f"only-{name}", "x")):
            (tmp_path / file).write_text(text, encoding="utf-8")
            os.utime(tmp_path / file, (0, 0))
        (tmp_path / "changed").chmod(mode)
        with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz") as archive:
            for file in ("same", "changed", f"only-{name}"):
                archive.add(tmp_path / file, file)
    said = differences(tmp_path / "first.tar.gz", tmp_path / "second.tar.gz")
    assert said == [
        "changed: mode 420 → 384",
        "changed: the content differs",
        "only-first: only in the first",
        "only-second: only in the second",
    ]

"""What programs of the image see, and what they may take."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingot.build import limits, namespace
from ingot.build.cache import Cache
from ingot.build.limits import LimitError
from ingot.build.sandbox import run_in_tree
from ingot.build.tree.install import install_more
from ingot.process import is_alive
from tests.build.conftest import BuiltImage

pytestmark = pytest.mark.build
#: Its processes stay: what dies for want of others could be gone before anybody looks.
_FORK_BOMB = "f() { f & f & sleep 1000; }; f"
InTree = Callable[[Callable[[Path], Any]], Any]


@pytest.fixture
def in_tree(images: Callable[[str], BuiltImage], cache: Path, tmp_path: Path) -> InTree:
    """Calls a function with a tree that it may change, in the namespaces of a build; it returns what JSON can hold."""
    images("12")  # leaves its base tree in the cache
    base = next(
        entry
        for entry in Cache(cache).entries()
        if entry.kind == "trees" and entry.description["parent"] is None and "Debian 12" in entry.title
    )
    tree, said = tmp_path / "tree", tmp_path / "said.json"
    for name in ("upper", "work", "tree"):
        (tmp_path / name).mkdir()

    def call(function: Callable[[Path], Any]) -> Any:
        def mounted() -> int:
            namespace.mount_overlay([base.content], tmp_path / "upper", tmp_path / "work", tree)
            said.write_text(json.dumps(function(tree)), encoding="utf-8")
            return 0

        assert namespace.call(mounted) == 0
        return json.loads(said.read_text(encoding="utf-8"))

    return call


def test_a_program_of_the_image_sees_nothing_of_the_host(in_tree: InTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGOT_ROOT_PASSWORD", "hidden-password")
    script = """
    grep -E '^(CapEff|CapPrm|NoNewPrivs|Seccomp):' /proc/self/status
    echo "host: $(cat /proc/sys/kernel/hostname)"
    echo "links: $(ls -m /sys 2>/dev/null) $(sed 1,2d /proc/net/dev | cut -d: -f1 | tr -d ' ' | tr '\\n' ' ')"
    echo "processes: $(ls /proc | grep -c '^[0-9]*$')"
    echo "devices: $(ls /dev | tr '\\n' ' ')"
    echo "mounts: $(cut -d' ' -f2 /proc/mounts | tr '\\n' ' ')"
    for kind in mnt pid ipc uts net user; do echo "$kind: $(readlink /proc/self/ns/$kind)"; done
    env
    """
    facts = in_tree(lambda tree: run_in_tree(tree, ["sh", "-c", script]))
    lines = dict(line.split(":", 1) for line in facts.splitlines() if ":" in line and "=" not in line)
    lines = {name: value.strip() for name, value in lines.items()}
    allowed = sum(1 << number for number in (0, 1, 2, 3, 4, 5, 6, 7, 8, 18, 29, 31))
    assert int(lines["CapEff"], 16) == int(lines["CapPrm"], 16) == allowed
    assert (lines["NoNewPrivs"], lines["Seccomp"]) == ("1", "2")
    assert lines["host"] == "localhost"
    assert lines["links"] == "lo"
    assert int(lines["processes"]) < 12
    assert not {"sda", "vda", "kvm", "mem", "loop-control"} & set(lines["devices"].split())
    assert not any(place.startswith(("/home", "/root", "/sys", "/boot")) for place in lines["mounts"].split())
    for kind in ("mnt", "pid", "ipc", "uts", "net", "user"):
        assert lines[kind] != str(Path(f"/proc/self/ns/{kind}").readlink()), kind
    assert "hidden-password" not in facts
    names = {line.split("=")[0] for line in facts.splitlines() if "=" in line}
    assert names <= {"PATH", "LANG", "LC_ALL", "TZ", "HOME", "DEBIAN_FRONTEND", "DEBCONF_NONINTERACTIVE_SEEN", "PWD"}


def _package(directory: Path, script: str) -> Path:
    """A package file whose script runs when it is configured."""
    control = directory / "hostile" / "DEBIAN"
    control.mkdir(parents=True)
    (control / "control").write_text(
        "Package: hostile\nVersion: 1\nArchitecture: all\nMaintainer: test <test@example.org>\nDescription: test\n",
        encoding="utf-8",
    )
    postinst = control / "postinst"
    postinst.write_text(f"#!/bin/sh\necho doing harm\n{script}\n", encoding="utf-8")
    postinst.chmod(0o755)
    file = directory / "hostile.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", control.parent, file], check=True, capture_output=True
    )
    return file


@pytest.mark.parametrize(
    ("setting", "bound", "script", "words"),
    [
        ("TIME", 3, "sleep 1000", "3 seconds"),
        ("TIME", 3, "trap '' TERM INT HUP; while :; do :; done", "3 seconds"),
        ("PROCESS", 150, "i=0; while [ $i -lt 400 ]; do sleep 1000 & i=$((i+1)); done; wait", "150 processes"),
        ("PROCESS", 150, _FORK_BOMB, "150 processes"),
        ("MEMORY", 150, "perl -e '@all = map { chr(65) x 1000000 . $_ } 1..1500'; sleep 1000", "150 MB of memory"),
    ],
)
def test_a_package_that_takes_too_much_is_ended(
    in_tree: InTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, bound: int, script: str, words: str
) -> None:
    monkeypatch.setenv(f"INGOT_BUILD_{setting}_LIMIT", str(bound))
    file = _package(tmp_path, script)

    def install(tree: Path) -> dict[str, Any]:
        if script == _FORK_BOMB and not limits.are_kept_by_the_kernel():
            return {"skip": "this kernel cannot bound the number of processes; a bomb would hurt the machine"}
        try:
            install_more(tree, [file], env={}, log=tmp_path / "log", on_progress=lambda _part, _what: None)
        except LimitError as error:
            for _ in range(100):  # what is killed takes a moment to end
                left = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
                left = [process for process in left if process != os.getpid() and is_alive(process)]
                if not left or not namespace.has_own_processes():
                    return {"message": error.message, "left": []}
                time.sleep(0.1)
            return {"message": error.message, "left": left}
        return {"message": "It was installed.", "left": []}

    said = in_tree(install)
    if "skip" in said:
        pytest.skip(said["skip"])
    assert words in said["message"]
    assert f"INGOT_BUILD_{setting}_LIMIT (now {bound})" in said["message"]
    assert "doing harm" in said["message"] or "fork" in said["message"]
    assert said["left"] == []
    assert not list(limits.groups())

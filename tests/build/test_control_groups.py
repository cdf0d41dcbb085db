"""Bounds that the kernel keeps by control groups of version 2, in a machine that has them whatever the host has.

The machine is a kernel and initial RAM disk that Ingot built, and a root of this host's Python with Ingot in it. It is
set up as systemd sets up a service with `Delegate=memory pids` and `DelegateSubgroup=`.
"""

import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest

from ingot.build.cache import Cache
from tests.build.conftest import BuiltImage

_PROGRAMS = ("cat", "head", "mkdir", "mount", "seq", "sh", "sleep", "tr", "true")
_MODULES = (
    "ingot", "pydantic", "pydantic_core", "pydantic_settings", "annotated_types", "typing_inspection", "dotenv",
    "typing_extensions",
)  # fmt: skip
_INIT = """\
#!/bin/sh
exec >/dev/ttyS0 2>&1
export PATH=/bin LD_LIBRARY_PATH=/lib PYTHONHOME=/usr PYTHONPATH=/site PYTHONDONTWRITEBYTECODE=1
export INGOT_BUILD_MEMORY_LIMIT=64 INGOT_BUILD_PROCESS_LIMIT=40
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
mount -t tmpfs tmp /run
mount -t cgroup2 none /sys/fs/cgroup
echo "+memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/service/ingot
echo $$ >/sys/fs/cgroup/service/ingot/cgroup.procs
/bin/python3 /check.py
echo o >/proc/sysrq-trigger
sleep 100
"""
_CHECK = """\
import json, os
os.setxattr("/sys/fs/cgroup/service", "user.delegate", b"1")
from ingot.build import limits, namespace
from ingot.build.errors import BuildError
from ingot.build.run import run
SCRIPTS = {
    "modest": "echo fine",
    "memory": "x=$(head -c 200000000 /dev/zero | tr '\\\\0' a); echo ${#x}",
    "processes": "for i in $(seq 100); do sleep 300 & done; wait",
}
def attempt(script):
    try:
        with limits.guarding() as guard:
            return [type(guard).__name__, run([*guard.launcher, "sh", "-c", script], watch=guard.verdict).strip()]
    except BuildError as error:
        return [type(guard).__name__, error.message]
def work():
    said = {name: attempt(script) for name, script in SCRIPTS.items()}
    said["left"] = [str(group) for group in limits.groups()]
    print("SAID " + json.dumps(said), flush=True)
    return 0
namespace.call(work)
"""


@pytest.mark.slow
@pytest.mark.boot
@pytest.mark.timeout(900)
def test_the_kernel_keeps_the_bounds_in_a_delegated_group(
    images: Callable[[str], BuiltImage], cache: Path, tmp_path: Path
) -> None:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    images("12")  # leaves its base tree in the cache
    # A layer above the base may have an initial RAM disk of its own, but no kernel.
    kernel = next(
        kernel
        for entry in Cache(cache).entries()
        if entry.kind == "trees" and "Debian 12" in entry.title
        for kernel in (entry.content / "boot").glob("vmlinuz-*-amd64")
    )
    initrd = kernel.with_name(kernel.name.replace("vmlinuz", "initrd.img"))
    disk, console = tmp_path / "root.ext4", tmp_path / "console"
    _make_root(tmp_path / "root")
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-d", tmp_path / "root", disk, "400M"], check=True)
    subprocess.run(
        [
            "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-m", "1024", "-smp", "2", "-display", "none",
            "-nodefaults", "-no-reboot", "-serial", f"file:{console}", "-kernel", kernel, "-initrd", initrd,
            "-drive", f"file={disk},format=raw,if=virtio",
            "-append", "root=/dev/vda ro console=ttyS0 quiet init=/init.sh panic=-1",
        ],
        check=True,
        timeout=800,
    )  # fmt: skip
    said = re.search(r"SAID (.*)", console.read_text(encoding="utf-8", errors="replace"))
    assert said, console.read_text(encoding="utf-8", errors="replace")[-3000:]
    found = json.loads(said[1])
    assert found["modest"] == ["GroupGuard", "fine"]
    assert found["memory"][0] == found["processes"][0] == "GroupGuard"
    assert "took more than 64 MB of memory" in found["memory"][1]
    assert "took more than 40 processes at once" in found["processes"][1]
    assert found["left"] == []


def _make_root(root: Path) -> None:
    """A root directory with a shell, Python, and Ingot, and the libraries that they need."""
    for name in ("bin", "lib", "lib64", "site", "dev", "proc", "sys", "run", "tmp"):
        (root / name).mkdir(parents=True)
    (root / "usr").mkdir()
    (root / "usr/bin").symlink_to("../bin")
    for name in _PROGRAMS:
        found = shutil.which(name)
        assert found, name
        shutil.copy(Path(found).resolve(), root / "bin" / name)
    shutil.copy(Path(sys.executable).resolve(), root / "bin/python3")
    library = Path(sysconfig.get_path("stdlib"))
    unused = shutil.ignore_patterns("test", "site-packages", "dist-packages", "__pycache__", "*.a", "config-*")
    shutil.copytree(library, root / "usr/lib" / library.name, ignore=unused)
    for name in _MODULES:
        spec = find_spec(name)
        assert spec, name
        assert spec.origin, name
        origin = Path(spec.origin)
        if origin.name == "__init__.py":
            shutil.copytree(origin.parent, root / "site" / name, ignore=unused)
        else:
            shutil.copy(origin, root / "site")
    _copy_libraries(root, [*(root / "bin").iterdir(), *root.rglob("*.so")])
    (root / "check.py").write_text(_CHECK, encoding="utf-8")
    (root / "init.sh").write_text(_INIT, encoding="utf-8")
    (root / "init.sh").chmod(0o755)


def _copy_libraries(root: Path, programs: Iterable[Path]) -> None:
    listed = subprocess.run(["ldd", *programs], check=False, capture_output=True, text=True).stdout
    for file in sorted(set(re.findall(r"(?:=> |^\t)(/\S+) \(0x", listed, re.M))):
        target = root / ("lib64" if "/ld-linux" in file else "lib") / Path(file).name
        if not target.exists():
            shutil.copy(file, target)

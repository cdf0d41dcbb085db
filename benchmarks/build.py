"""Time a build against mmdebstrap on the same packages, in turns, and print medians and ratios.

usage: python benchmarks/build.py [ROUNDS]

mmdebstrap makes the bare tree as a tar archive. Ingot makes the same tree and from it a bootable qcow2: cold (package
files cached, no tree), and again with its cached trees. Needs root or subordinate ids, mmdebstrap, and the mirrors.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ingot.build.distributions import find_distribution
from ingot.build.packages.sources import sources_of
from ingot.build.request import BuildRequest
from ingot.build.template import Template

_DEBIAN = find_distribution("Debian", "12", "x86_64")
_PROFILE = _DEBIAN.profile("Minimal")
_PACKAGES = sorted({*_DEBIAN.boot_packages, *_PROFILE.packages})


def main(rounds: int) -> int:
    """Run everything in turns and print the table."""
    if shutil.which("mmdebstrap") is None:
        print("mmdebstrap is missing: apt-get install mmdebstrap", file=sys.stderr)
        return 1
    figures: dict[str, list[tuple[float, float]]] = {
        "mmdebstrap, tree": [],
        "ingot cold, qcow2": [],
        "ingot again, qcow2": [],
    }
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        ingot(work, work / "cache")  # fetches the package files
        for number in range(rounds):
            figures["mmdebstrap, tree"].append(mmdebstrap(work / f"{number}.tar"))
            shutil.rmtree(work / "cache" / "trees")
            figures["ingot cold, qcow2"].append(ingot(work, work / "cache"))
            figures["ingot again, qcow2"].append(ingot(work, work / "cache"))
    report(figures)
    return 0


def mmdebstrap(output: Path) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of the bare tree."""
    sources = [str(source) for source in sources_of(_DEBIAN)]
    argv = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(_PACKAGES)}"]
    return timed([*argv, _DEBIAN.codename, str(output), *sources])


def ingot(work: Path, cache: Path) -> tuple[float, float]:
    """(wall seconds, CPU seconds) of a bootable qcow2."""
    scratch = Path(tempfile.mkdtemp(dir=work))
    template = Template.model_validate(
        {
            "name": "benchmark",
            "version": "1",
            "os": {"name": "Debian", "version": "12"},
            "installation": {"diskSize": 4096},
        }
    )
    request = BuildRequest(template=template, output=scratch / "image", scratch=scratch, cache=cache)
    file = scratch / "request.json"
    file.write_text(request.model_dump_json(), encoding="utf-8")
    return timed([sys.executable, "-m", "ingot.build", "run", str(file)])


def timed(argv: Sequence[str]) -> tuple[float, float]:
    """Run a program that must succeed; (wall seconds, CPU seconds with its children)."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=dict(os.environ))
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def report(figures: dict[str, list[tuple[float, float]]]) -> None:
    """Print medians, and each one's ratio to the first."""
    table = Table(box=None, pad_edge=False)
    for title in ("Build", "Wall s", "CPU s", "Ratio"):
        table.add_column(title, justify="left" if title == "Build" else "right")
    medians = {
        name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in figures.items()
    }
    first = next(iter(medians.values()))[0]
    for name, (wall, cpu) in medians.items():
        table.add_row(name, f"{wall:.1f}", f"{cpu:.1f}", f"{wall / first:.2f}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))

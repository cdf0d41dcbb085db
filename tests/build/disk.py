"""The files of a built disk."""

import re
import subprocess
from pathlib import Path


class Disk:
    """The root file system of a raw disk, looked at without mounting it."""

    def __init__(self, file: Path) -> None:
        table = subprocess.run(["sfdisk", "--dump", file], capture_output=True, text=True, check=True).stdout
        start = re.search(r"start= *(\d+).*4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", table)
        assert start, table
        self._place = f"{file}?offset={int(start[1]) * 512}"

    def _debugfs(self, command: str) -> bytes:
        return subprocess.run(["debugfs", "-R", command, self._place], capture_output=True, check=True).stdout

    def read(self, path: str) -> str:
        return self._debugfs(f"cat {path}").decode()

    def status(self, path: str) -> tuple[str, int, int] | None:
        """(type and mode, user id, group id), or None for what is not there."""
        text = self._debugfs(f"stat {path}").decode()
        match = re.search(r"Type: (\w+) +Mode: +(\d+).*?User: +(\d+) +Group: +(\d+)", text, re.DOTALL)
        return (f"{match[1]} {match[2]}", int(match[3]), int(match[4])) if match else None

    def link(self, path: str) -> str:
        match = re.search(r'Fast link dest: "(.*)"', self._debugfs(f"stat {path}").decode())
        return match[1] if match else ""

    def names(self, path: str) -> list[str]:
        lines = self._debugfs(f"ls -p {path}").decode().splitlines()
        return sorted({line.split("/")[5] for line in lines if line.count("/") > 5} - {".", ".."})

    def ids(self, name: str) -> tuple[int, int]:
        user = re.search(rf"^{name}:[^:]*:(\d+):(\d+):", self.read("/etc/passwd"), re.MULTILINE)
        assert user
        return int(user[1]), int(user[2])

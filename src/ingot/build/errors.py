"""What can go wrong with a build, in words for the person who asked for it."""

import shutil
from pathlib import Path
from typing import Self


class BuildError(Exception):
    """A build cannot go on. The message is one readable paragraph with the remedy; `detail` holds the
    failing program's own words where there is one."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class DiskFullError(BuildError):
    """There is no room on the host's disk."""

    @classmethod
    def at(cls, path: Path, what: str, detail: str = "", needed: int | None = None) -> Self:
        """The error for a full file system at `path`, with the free and (where known) needed bytes."""
        free = shutil.disk_usage(path).free
        need = f", {needed} bytes are needed" if needed is not None else ""
        return cls(f"{what}: the disk is full. {free} bytes are free at {path}{need}. Free some space.", detail)

"""The state of a distribution's package lists, for who wants to know without asking a package manager."""

import hashlib
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ingot.settings import Settings

#: A file beside the lists: as old as they are, and with what names their state in it.
STAMP = "fetched"
_APT = Path("/etc/apt")
_APT_FILES = ("sources.list", "sources.list.d/*", "apt.conf", "apt.conf.d/*")


class ListsState(BaseModel):
    """What package lists a build was resolved against: their directory in the cache, and the hash of their content."""

    model_config = ConfigDict(frozen=True)

    place: str
    snapshot: str

    def holds(self, cache: Path, max_age: int) -> bool:
        """Whether a build would be resolved against the same lists now: they are not `max_age` seconds old yet."""
        return _snapshot(cache / self.place) == self.snapshot and are_fresh(cache / self.place, max_age)


def mark(root: Path, snapshot: str) -> None:
    """Note that the lists in a directory were fetched now."""
    (root / STAMP).write_text(snapshot, encoding="ascii")


def are_fresh(root: Path, max_age: int) -> bool:
    """Whether the lists in a directory are less than `max_age` seconds old."""
    return bool(_snapshot(root)) and time.time() - (root / STAMP).stat().st_mtime < max_age


def state(cache: Path, root: Path) -> ListsState | None:
    """The state of the lists in a directory of the cache; None when nobody noted it."""
    snapshot = _snapshot(root)
    return ListsState(place=root.relative_to(cache).as_posix(), snapshot=snapshot) if snapshot else None


def configuration(settings: Settings) -> str:
    """The hash of what decides which packages there are and where they come from: the operator's settings and
    distributions, and the machine's apt."""
    chosen = settings.model_dump_json(include={"mirrors", "keyrings"}).encode()
    file = settings.distributions_file and settings.distributions_file.expanduser()
    own = file.read_bytes() if file and file.is_file() else b""
    return hashlib.sha256(chosen + machine_sources().encode() + own).hexdigest()


def machine_sources() -> str:
    """The hash of the files in which the machine's apt says where packages come from."""
    digest = hashlib.sha256()
    for pattern in _APT_FILES:
        for file in sorted(_APT.glob(pattern)):
            if file.is_file():
                digest.update(f"{file}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def _snapshot(root: Path) -> str:
    try:
        return (root / STAMP).read_text(encoding="ascii")
    except FileNotFoundError:
        return ""

"""A distribution's packages: what a family's own tools have to answer about them, and the words it is answered in."""

import datetime as dt
import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ingot.build.distributions import Distribution
from ingot.build.errors import BuildError
from ingot.build.packages.lists import ListsState
from ingot.build.packages.sources import Source
from ingot.build.template import Package


@dataclass(frozen=True)
class AvailablePackage:
    """A package that a distribution offers. Sizes are bytes; `release` is the Debian revision or RPM's release.

    `suite` is the part of the distribution that it is from, which was published like this at `published`.
    """

    name: str
    epoch: int | None
    version: str
    release: str
    arch: str
    size: int
    installed_size: int
    sha256: str
    section: str
    description: str
    suite: str = ""
    published: dt.datetime | None = None


@dataclass(frozen=True)
class ResolvedPackage:
    """A package of the solution: everything needed to fetch it, prove it and describe it.

    `repository` is the suite and `path` the place below its mirror; a package of the user's own has neither.
    `size` and `installed_size` are bytes; `level` is 0 for a package that was asked for, else the length of
    the shortest chain of dependencies from one that was.
    """

    name: str
    version: str
    arch: str
    sha256: str
    size: int
    installed_size: int
    repository: str
    path: str
    level: int


class Repository(ABC):
    """The package lists of one distribution below a cache directory, refreshed when they are old."""

    #: How the names of package files end.
    suffix: ClassVar[str]
    distribution: Distribution
    sources: tuple[Source, ...]

    @abstractmethod
    def refresh(self) -> None:
        """Fetch the package lists and verify their signatures now."""

    def state(self, cache: Path) -> ListsState | None:
        """What names the present state of the lists; None where nothing does."""
        del cache
        return None

    @abstractmethod
    def release_date(self) -> dt.datetime:
        """When the main suite was published: the time that a build of these packages takes as its own."""

    @abstractmethod
    def resolve(self, wanted: Sequence[Package], own: Sequence[Path] = ()) -> list[ResolvedPackage]:
        """The packages that installing `wanted` on an empty machine takes, by the family's own solver, sorted by name.

        `own` are package files of the user's, named by their SHA-256, to be installed too.
        Raises BuildError that names every package that does not exist, with near matches, or repeats the solver's
        own explanation of a conflict.
        """

    #: The moment of the dated archive that this is, if it is one.
    archive: dt.datetime | None = None

    def at(self, moment: dt.datetime) -> "Repository":
        """The packages as they were at a moment; raises BuildError when that is not known."""
        raise BuildError(
            f"What {self.distribution.name} {self.distribution.version} had at {moment:%Y-%m-%d %H:%M} UTC is not "
            "known: its packages have no history here. Leave updateTo out."
        )

    def dated(self, moment: dt.datetime) -> "Repository":
        """The dated archive of a moment."""
        return self.at(moment)

    def point_release(self) -> str | None:
        """The version that the distribution calls itself by now, where it counts its own states (12.9)."""
        return None

    def known_since(self) -> dt.datetime | None:
        """From when on `at` knows the packages; None when it never does."""
        return None

    def offered(self, names: Sequence[str]) -> list[str]:
        """Those of some package names that the distribution has."""
        known = {package.name for package in self.available()} if names else set()
        return [name for name in names if name in known]

    @abstractmethod
    def download(self, packages: Sequence[ResolvedPackage], target: Path) -> None:
        """Fetch packages into a directory, each under its SHA-256, which is verified; raises BuildError."""

    @abstractmethod
    def available(self) -> Iterator[AvailablePackage]:
        """Every package that the distribution offers, all versions of it, one at a time."""


def split_version(version: str) -> tuple[int | None, str, str]:
    """(epoch, upstream version, revision or release) of a full version; a missing revision is empty."""
    epoch, separator, rest = version.partition(":")
    if not separator:
        epoch, rest = "", version
    upstream, separator, revision = rest.rpartition("-")
    if not separator:
        upstream, revision = rest, ""
    return (int(epoch) if epoch else None), upstream, revision


def join_version(epoch: int | None, version: str, release: str) -> str:
    """The full version that `split_version` took apart."""
    return f"{f'{epoch}:' if epoch is not None else ''}{version}{f'-{release}' if release else ''}"


def keep_solution(file: Path, packages: list[dict[str, Any]]) -> None:
    """Remember an answer of a solver for as long as the package lists stay as they are."""
    file.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as staging:
        json.dump(packages, staging)
    Path(staging.name).rename(file)

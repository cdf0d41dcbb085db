"""A distribution of RPM packages as dnf sees it: its solver in a dry run, its metadata in a directory of our own."""

import datetime as dt
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ingot.build.distributions import Distribution
from ingot.build.errors import BuildError
from ingot.build.lock import locked
from ingot.build.packages.repository import (
    AvailablePackage,
    Repository,
    ResolvedPackage,
    join_version,
    keep_solution,
    split_version,
)
from ingot.build.packages.sources import sources_of
from ingot.build.run import ProgramFailedError, require, run
from ingot.build.template import Package
from ingot.settings import Settings

#: Not the Python that Ingot runs on: dnf's modules belong to the system's.
_PYTHON = "/usr/bin/python3"
_QUERY = Path(__file__).parent / "tools" / "dnf_query.py"
_TIMESTAMP = re.compile(r"<timestamp>(\d+)")


class DnfRepository(Repository):
    """The package lists of a distribution of RPM's family."""

    suffix = ".rpm"

    def __init__(self, distribution: Distribution, cache: Path) -> None:
        self.distribution = distribution
        self.sources = sources_of(distribution)
        self._repositories = [{"id": source.suite, "uri": source.uri} for source in self.sources]
        text = json.dumps([distribution.native_arch, *self._repositories], sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.root = cache / "lists" / f"{distribution.codename}-{distribution.native_arch}-{key}"

    def refresh(self) -> None:
        """Fetch the repositories' metadata now."""
        with locked(self.root / "lock"):
            self._fetch()

    def release_date(self) -> dt.datetime:
        """The newest time in the main repository's metadata."""
        times = _TIMESTAMP.findall(self._repomd(self.sources[0].suite).read_text(encoding="utf-8"))
        if not times:
            raise BuildError(f"The metadata of {self.sources[0].uri} has no time.")
        return dt.datetime.fromtimestamp(max(int(time) for time in times), dt.UTC)

    def resolve(self, wanted: Sequence[Package], own: Sequence[Path] = ()) -> list[ResolvedPackage]:
        """The packages that dnf installs for `wanted` into an empty root."""
        asked = [
            {
                "name": package.name,
                "version": join_version(package.epoch, package.version, package.release or "")
                if package.version is not None
                else None,
            }
            for package in wanted
        ]
        with self._reading():
            names = [self._repomd(source.suite).read_bytes() for source in self.sources]
            key = hashlib.sha256(b"\0".join((*names, json.dumps([asked, *map(str, own)]).encode()))).hexdigest()
            solution = self.root / "solutions" / f"{key}.json"
            if solution.exists():
                return [ResolvedPackage(**entry) for entry in json.loads(solution.read_bytes())]
            answer = self._ask("resolve", {"wanted": asked, "own": [str(file) for file in own]})
            if unknown := answer.get("unknown"):
                raise BuildError(
                    f"{len(unknown)} of the packages asked for do not exist in {self.distribution.name} "
                    f"{self.distribution.version}: {'; '.join(unknown)}."
                )
            resolved = [_resolved(entry) for entry in answer["packages"]]
            keep_solution(solution, [asdict(package) for package in resolved])
        return resolved

    def download(self, packages: Sequence[ResolvedPackage], target: Path) -> None:
        """Fetch packages with librepo, by their hashes, and verify their signatures."""
        places = {source.suite: source.uri for source in self.sources}
        files = [
            {
                "uri": places.get(package.repository, self.sources[0].uri),
                "path": package.path,
                "sha256": package.sha256,
                "size": package.size,
                "target": str(target / package.sha256),
            }
            for package in packages
        ]
        self._ask("download", {"files": files})
        self._verify_signatures(packages, target)

    def available(self) -> Iterator[AvailablePackage]:
        """Every package of the metadata."""
        with self._reading():
            lines = self._run("available", {}).splitlines()
        for line in lines:
            entry = json.loads(line)
            epoch, version, release = split_version(entry.pop("version"))
            del entry["repository"], entry["path"]
            yield AvailablePackage(**entry, epoch=epoch, version=version, release=release)

    def _verify_signatures(self, packages: Sequence[ResolvedPackage], directory: Path) -> None:
        """RPM packages are signed one by one, their metadata mostly not at all."""
        keyring = self.sources[0].keyring
        require("rpmkeys", "rpm")
        with tempfile.TemporaryDirectory() as keys:
            run(["rpmkeys", "--dbpath", keys, "--import", keyring])
            check = ["rpmkeys", "--dbpath", keys, "--define", "_pkgverify_level signature", "--checksig", "--verbose"]
            for package in packages:
                try:
                    run([*check, directory / package.sha256])
                except ProgramFailedError as error:
                    raise BuildError(
                        f"Package {package.name} {package.version} of {self.distribution.name} is not signed with a "
                        f"key in {keyring}: {error.message}",
                        error.detail,
                    ) from error

    @contextmanager
    def _reading(self) -> Iterator[None]:
        if not self._is_fresh():
            with locked(self.root / "lock"):
                if not self._is_fresh():
                    self._fetch()
        with locked(self.root / "lock", shared=True):
            yield

    def _is_fresh(self) -> bool:
        stamp = self.root / "fetched"
        return stamp.exists() and time.time() - stamp.stat().st_mtime < Settings().package_lists_max_age

    def _fetch(self) -> None:
        self._ask("refresh", {})
        (self.root / "fetched").touch()

    def _repomd(self, repository: str) -> Path:
        found = sorted((self.root / "cache").glob(f"{repository}-*/repodata/repomd.xml"))
        if not found:
            raise BuildError(f"There is no metadata of {repository} in {self.root}.")
        return found[0]

    def _ask(self, command: str, question: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._run(command, question).splitlines()[-1])
        if "error" in answer:
            raise BuildError(answer["error"])
        return answer

    def _run(self, command: str, question: Mapping[str, Any]) -> str:
        require("dnf", "dnf")
        document = {
            "root": str(self.root),
            "arch": self.distribution.native_arch,
            "release": self.distribution.version,
            "repositories": self._repositories,
            **question,
        }
        return run([_PYTHON, "-I", _QUERY, command], stdin=json.dumps(document))


def _resolved(entry: Mapping[str, Any]) -> ResolvedPackage:
    if not entry["sha256"]:
        raise BuildError(f"Package {entry['name']} {entry['version']} has no SHA-256 in its repository's metadata.")
    return ResolvedPackage(**{key: entry[key] for key in ResolvedPackage.__dataclass_fields__})

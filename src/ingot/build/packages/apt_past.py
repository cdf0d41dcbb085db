"""A distribution's repository as it was at a moment: apt on package lists of the past."""

import datetime as dt
import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ingot.build.distributions import Distribution
from ingot.build.errors import BuildError
from ingot.build.lock import try_locked
from ingot.build.packages import lists
from ingot.build.packages.apt_history import SuiteState
from ingot.build.packages.apt_repository import AptRepository
from ingot.build.packages.repository import ResolvedPackage, join_version, split_version
from ingot.build.packages.sources import Source
from ingot.build.template import Package
from ingot.settings import Settings

#: Lists of the past that stay laid out for apt; they can be laid out again.
_MOST_LAID_OUT = 6


class PastRepository(AptRepository):
    """Package lists from the history. `extra` are (suite, paragraph) of pinned packages that the lists do not have."""

    def __init__(
        self, now: AptRepository, states: Sequence[SuiteState], extra: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(now.distribution, now.cache)
        self._now, self._states, self._extra = now, states, extra
        digest = hashlib.sha256(repr([now.root.name, *map(repr, states), *extra]).encode()).hexdigest()
        self.root = now.cache / "lists" / f"{now.distribution.codename}-at-{digest[:16]}"

    def resolve(self, wanted: Sequence[Package], own: Sequence[Path] = ()) -> list[ResolvedPackage]:
        """The packages as they were; pinned ones of whichever time they are, with what they insist on."""
        extra = self._pinned_elsewhere(wanted) if not self._extra else []
        if not extra:
            return super().resolve(wanted, own)
        pinned = {package.name: package for package in (_pin(paragraph) for _, paragraph in extra)}
        named = {package.name for package in wanted}
        # What a pinned package insists on is as old or new as itself; its level stays that of a dependency.
        more = [package for name, package in sorted(pinned.items()) if name not in named]
        resolved = PastRepository(self._now, self._states, extra).resolve([*wanted, *more], own)
        names = {package.name for package in more}
        return [replace(package, level=1) if package.name in names else package for package in resolved]

    def _pinned_elsewhere(self, wanted: Iterable[Package]) -> list[tuple[str, str]]:
        """The pinned packages that the lists of that moment do not have, and what they insist on, from other times."""
        suites = [source.suite for source in self.sources]
        pending = [
            (package.name, join_version(package.epoch, package.version, package.release or ""))
            for package in wanted
            if package.version is not None
        ]
        found: dict[tuple[str, str], tuple[str, str]] = {}
        with self.reading():
            while pending:
                key = pending.pop()
                if key in found or self._has(*key):
                    continue
                place = self._now.history.find(suites, *key)
                if place is not None:
                    found[key] = place
                    pending += _exact_needs(place[1])
        return [found[key] for key in sorted(found)]

    def _has(self, name: str, version: str) -> bool:
        lines = self.apt(["apt-cache", "madison", name]).splitlines()
        return any(line.split("|")[1].strip() == version for line in lines)

    def _is_fresh(self) -> bool:
        return (self.root / lists.STAMP).exists()

    def _fetch_lists(self) -> None:
        directory = self.root / "lists"
        for state, source in zip(self._states, self.sources, strict=True):
            prefix = self._now.prefix(source)
            self._now.history.restore(state, directory, prefix)
            paragraphs = [paragraph for suite, paragraph in self._extra if suite == source.suite]
            if paragraphs:
                end = next(end for end in state.files if end.endswith("_Packages"))
                with (directory / f"{prefix}_dists_{source.suite}_{end}").open("a", encoding="utf-8") as file:
                    file.write("".join(f"\n{paragraph}\n" for paragraph in paragraphs))
        lists.mark(self.root, self.snapshot())
        _forget_others(self.root)


class DatedArchive(AptRepository):
    """An archive that serves what a mirror had at a moment."""

    def __init__(self, distribution: Distribution, cache: Path, moment: dt.datetime) -> None:
        super().__init__(distribution, cache, archived_sources(distribution, moment))
        self.archive = moment

    def _is_fresh(self) -> bool:
        return (self.root / lists.STAMP).exists()

    def _configuration(self) -> str:
        # What was signed then has run out since.
        return super()._configuration() + 'Acquire::Check-Valid-Until "false";\n'


def at(now: AptRepository, moment: dt.datetime) -> AptRepository:
    """A repository as it was at a moment; raises BuildError when nobody knows."""
    suites = [source.suite for source in now.sources]
    with now.reading():
        now.keep_state()
    states = now.history.at(suites, moment)
    if states:
        return PastRepository(now, states)
    if _has_archives(now.distribution):
        return DatedArchive(now.distribution, now.cache, moment)
    since = now.history.known_since(suites)
    system = f"{now.distribution.name} {now.distribution.version}"
    raise BuildError(
        f"The time {moment:%Y-%m-%d %H:%M} UTC lies before the first snapshot: the packages of {system} are known "
        f"here since {since:%Y-%m-%d %H:%M} UTC. Choose a later time (updateTo), or name an archive "
        "that has older ones: INGOT_ARCHIVES"
    )


def archived_sources(distribution: Distribution, moment: dt.datetime) -> tuple[Source, ...]:
    """A distribution's sources in the archives of a moment."""
    keyring = Settings().keyrings.get(distribution.name.lower()) or Path(distribution.keyring)
    time = moment.astimezone(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    return tuple(
        Source(
            f"{Settings().archives[suite.archive].replace('{time}', time).rstrip('/')}/{suite.path}".rstrip("/"),
            suite.name,
            distribution.components,
            keyring,
        )
        for suite in distribution.suites
    )


def _has_archives(distribution: Distribution) -> bool:
    return all(suite.archive in Settings().archives for suite in distribution.suites)


def _exact_needs(paragraph: str) -> list[tuple[str, str]]:
    """(name, version) of what a package needs in exactly one version."""
    from debian.deb822 import Deb822, PkgRelation  # noqa: PLC0415 - as in `control`

    fields = Deb822(paragraph)
    needs = []
    for field in ("Pre-Depends", "Depends"):
        for group in PkgRelation.parse_relations(fields[field]) if field in fields else []:
            for alternative in group:
                relation, version = alternative.get("version") or ("", "")
                if relation == "=":
                    needs.append((str(alternative["name"]), str(version)))
    return needs


def _pin(paragraph: str) -> Package:
    from debian.deb822 import Deb822  # noqa: PLC0415 - as in `control`

    fields = Deb822(paragraph)
    epoch, version, release = split_version(fields["Version"])
    return Package(name=fields["Package"], version=version, release=release or None, epoch=epoch)


def _forget_others(root: Path) -> None:
    """Take down what was laid out longest ago, unless somebody reads it."""
    others = [path for path in root.parent.glob("*-at-*") if path != root and path.is_dir()]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[_MOST_LAID_OUT - 1 :]:
        with try_locked(path / "lock") as alone:
            if alone:
                shutil.rmtree(path, ignore_errors=True)

"""Which packages an image gets: apt's own solver, asked in a dry run against an empty machine."""

import difflib
import hashlib
import json
import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ingot.build.errors import BuildError
from ingot.build.packages.control import read_control
from ingot.build.packages.repository import ResolvedPackage, join_version, keep_solution
from ingot.build.run import ProgramFailedError
from ingot.build.template import Package

if TYPE_CHECKING:
    from debian.deb822 import Packages

    from ingot.build.packages.apt_repository import AptRepository

_URI_LINE = re.compile(r"'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+)")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def resolve(repository: "AptRepository", wanted: Sequence[Package], own: Sequence[Path]) -> list[ResolvedPackage]:
    """What `Repository.resolve` promises; the caller holds the package lists."""
    arguments = [*(_argument(package) for package in wanted), *map(str, own), "?essential"]
    solution = repository.solutions / f"{_key(repository, arguments)}.json"
    if solution.exists():
        return [ResolvedPackage(**entry) for entry in json.loads(solution.read_bytes())]
    _refuse_unknown(repository, wanted)
    asked = {package.name for package in wanted}
    resolved = _solve(repository, asked, arguments, {f"file:{file}": _paragraph(file) for file in own})
    keep_solution(solution, [asdict(package) for package in resolved])
    return resolved


def _solve(
    repository: "AptRepository", asked: set[str], arguments: Sequence[str], own: "Mapping[str, Packages]"
) -> list[ResolvedPackage]:
    """Ask apt's solver, and look up what it chose; `own` are package files by their URIs."""
    from debian.deb822 import Packages  # noqa: PLC0415 - as in `control`

    try:
        listing = repository.apt(["apt-get", "install", "-q", "--print-uris", "--", *arguments])
    except ProgramFailedError as error:
        raise BuildError(_explain(error), error.detail) from error
    places = {}
    paragraphs: dict[tuple[str, str, str], Packages] = {}
    for line in listing.splitlines():
        match = _URI_LINE.match(line)
        if match and (paragraph := own.get(unquote(match["uri"]))) is not None:
            places[_identity(paragraph)] = ("", "")
            paragraphs[_identity(paragraph)] = paragraph
        elif match:
            name, version, arch = match["file"].removesuffix(".deb").split("_")
            places[name, unquote(version), arch] = repository.locate(match["uri"])
    names = [f"{name}:{arch}={version}" for name, version, arch in places if (name, version, arch) not in paragraphs]
    shown = repository.apt(["apt-cache", "show", *names])
    for paragraph in Packages.iter_paragraphs(shown, use_apt_pkg=False):
        paragraphs.setdefault(_identity(paragraph), paragraph)
    asked = asked | {paragraph["Package"] for paragraph in own.values()}
    levels = _levels(asked, [paragraphs[key] for key in places])
    return sorted(
        (
            ResolvedPackage(
                name=key[0],
                version=key[1],
                arch=key[2],
                sha256=paragraphs[key]["SHA256"],
                size=int(paragraphs[key]["Size"]),
                installed_size=int(paragraphs[key].get("Installed-Size", 0)) * 1024,
                repository=suite,
                path=path,
                level=levels[key[0]],
            )
            for key, (suite, path) in places.items()
        ),
        key=lambda package: (package.name, package.arch),
    )


def _identity(paragraph: "Packages") -> tuple[str, str, str]:
    return paragraph["Package"], paragraph["Version"], paragraph["Architecture"]


def _paragraph(file: Path) -> "Packages":
    """What a package file says of itself, with its size and its hash."""
    try:
        paragraph = read_control(file)
    except BuildError as error:
        raise BuildError(f"A package file of the template's bundles cannot be installed: {error.message}.") from error
    paragraph["SHA256"], paragraph["Size"] = file.stem, str(file.stat().st_size)
    return paragraph


def _key(repository: "AptRepository", arguments: Sequence[str]) -> str:
    return hashlib.sha256("\n".join((repository.snapshot(), *arguments)).encode()).hexdigest()


def _argument(package: Package) -> str:
    """What apt-get is given for a package: to it, a bare `name-` or `name+` means something else."""
    if package.version is None:
        return f"?exact-name({package.name})"
    return f"{package.name}={join_version(package.epoch, package.version, package.release or '')}"


def _refuse_unknown(repository: "AptRepository", wanted: Iterable[Package]) -> None:
    known = set(repository.apt(["apt-cache", "pkgnames"]).split())
    problems = []
    for package in wanted:
        if package.name not in known or not _NAME.fullmatch(package.name):
            near = difflib.get_close_matches(package.name, known, n=3)
            problems.append(f"{package.name} (did you mean {', '.join(near)}?)" if near else package.name)
        elif package.version is not None:
            problems += _unknown_version(repository, package)
    if problems:
        distribution = repository.distribution
        raise BuildError(
            f"{len(problems)} of the packages asked for do not exist in {distribution.name} "
            f"{distribution.version}: {'; '.join(problems)}."
        )


def _unknown_version(repository: "AptRepository", package: Package) -> list[str]:
    wanted = join_version(package.epoch, package.version or "", package.release or "")
    lines = repository.apt(["apt-cache", "madison", package.name]).splitlines()
    versions = list(dict.fromkeys(line.split("|")[1].strip() for line in lines))
    return [] if wanted in versions else [f"{package.name} {wanted} (its versions are {', '.join(versions)})"]


def _explain(error: ProgramFailedError) -> str:
    lines = error.detail.split("\n")[1:]
    noise = ("Reading package lists", "Building dependency tree", "Reading state information")
    words = "\n".join(line for line in lines if line and not line.startswith(noise))
    return f"The packages cannot be installed together. apt says: {words}"


def _levels(asked: set[str], paragraphs: "Sequence[Packages]") -> dict[str, int]:
    """Distance of every package from those asked for, along Depends, Pre-Depends and Recommends."""
    providers: dict[str, list[str]] = {}
    needs: dict[str, list[str]] = {}
    for paragraph in paragraphs:
        name = paragraph["Package"]
        providers.setdefault(name, []).append(name)
        relations = paragraph.relations
        for relation in relations["provides"] or []:
            providers.setdefault(relation[0]["name"], []).append(name)
        needed = [*(relations["pre-depends"] or []), *(relations["depends"] or [])]
        needs[name] = [alternative["name"] for relation in needed for alternative in relation]
    levels = {name: 0 for name in needs if name in asked}
    queue = deque(sorted(levels))
    while queue:
        name = queue.popleft()
        for need in needs[name]:
            for provider in providers.get(need, ()):
                if provider not in levels:
                    levels[provider] = levels[name] + 1
                    queue.append(provider)
    # What nobody asked for and nobody depends on is there because every machine needs it.
    return {name: levels.get(name, 1) for name in needs}

"""Where a distribution's packages come from: the machine's own apt sources, or the operator's settings."""

import functools
import json
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ingot.build.distributions import Distribution
from ingot.build.errors import BuildError
from ingot.build.packages import lists
from ingot.build.run import run
from ingot.settings import Settings

#: The suites that name an archive in a machine's own apt sources.
_RELEASE_NAMES = {
    "debian": re.compile(r"(stable|oldstable|testing|sid|bullseye|bookworm|trixie|forky)(-updates|-backports)?"),
    "debian-security": re.compile(r"(stable|oldstable|testing|bullseye|bookworm|trixie|forky)(-security|/updates)"),
    "ubuntu": re.compile(r"(jammy|noble|resolute)(-updates|-security|-backports)?"),
}
#: Archives of other architectures, under names of their own.
_PORTS = "ubuntu-ports"


@dataclass(frozen=True)
class Source:
    """One suite of a repository: a line of apt's sources, or an RPM repository, whose `suite` is its id."""

    uri: str
    suite: str
    components: tuple[str, ...]
    keyring: Path

    def __str__(self) -> str:
        return f"deb [signed-by={self.keyring}] {self.uri} {self.suite} {' '.join(self.components)}"


def sources_of(distribution: Distribution, cache: Path | None = None) -> tuple[Source, ...]:
    """The sources of a distribution, its main suite first. With a cache, apt is asked once while its files stay.

    Raises BuildError when neither a setting nor the machine's apt names a mirror for it, or its keys are missing.
    """
    mirrors = {suite.archive: _mirror(suite.archive, cache) for suite in distribution.suites}
    keyring = Settings().keyrings.get(distribution.name.lower()) or Path(distribution.keyring)
    if not keyring.exists():
        name = distribution.name.lower()
        raise BuildError(
            f"The keys of {distribution.name} are missing ({keyring}). Install them: apt-get install "
            f"{distribution.keyring_package}, or say where they are: "
            f"""INGOT_KEYRINGS='{{"{name}": "/path/to/keys.gpg"}}'"""
        )
    return tuple(
        Source(f"{mirrors[suite.archive]}/{suite.path}".rstrip("/"), suite.name, distribution.components, keyring)
        for suite in distribution.suites
    )


def has_mirror(distribution: Distribution) -> bool:
    """Whether a setting or the machine's apt names a mirror for all of a distribution."""
    try:
        return all(_mirror(suite.archive, None) for suite in distribution.suites)
    except BuildError:
        return False


def _mirror(archive: str, cache: Path | None) -> str:
    mirror = Settings().mirrors.get(archive) or _machine_mirrors(cache).get(archive)
    if mirror is None:
        raise BuildError(
            f"No mirror is known for {archive}: this machine's apt has none. Set it: "
            f"""INGOT_MIRRORS='{{"{archive}": "http://mirror.example/{archive}"}}'"""
        )
    return mirror.rstrip("/")


@functools.cache
def _machine_mirrors(cache: Path | None) -> dict[str, str]:
    """{archive: URI} of the first source of each archive in the machine's apt."""
    if cache is None:
        return _ask_for_mirrors()
    memo = cache / "lists" / f"mirrors-{lists.machine_sources()}.json"
    with suppress(OSError, ValueError):
        known: dict[str, str] = json.loads(memo.read_bytes())
        return known
    mirrors = _ask_for_mirrors()
    memo.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=memo.parent, delete=False, encoding="utf-8") as file:
        json.dump(mirrors, file)
    Path(file.name).rename(memo)
    return mirrors


def _ask_for_mirrors() -> dict[str, str]:
    mirrors: dict[str, str] = {}
    targets = run(["apt-get", "indextargets", "--format", "$(RELEASE)|$(REPO_URI)", "Created-By: Packages"])
    for line in targets.splitlines():
        release, uri = line.split("|", 1)
        for archive, names in _RELEASE_NAMES.items():
            if names.fullmatch(release):
                is_ports = uri.rstrip("/").endswith(_PORTS)
                mirrors.setdefault(_PORTS if archive == "ubuntu" and is_ports else archive, uri)
    return mirrors

"""Where a distribution's packages come from: the machine's own apt sources, or the operator's setting."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from ingot.build.distributions import Distribution
from ingot.build.errors import BuildError
from ingot.build.run import run
from ingot.settings import Settings

_KEYRINGS = {"Debian": Path("/usr/share/keyrings/debian-archive-keyring.gpg")}
_RELEASE_NAMES = {
    "Debian": re.compile(r"(stable|oldstable|testing|sid|bullseye|bookworm|trixie|forky)(?P<pocket>-\w+)?")
}


@dataclass(frozen=True)
class Source:
    """One suite of a repository, as one line of apt's sources."""

    uri: str
    suite: str
    components: tuple[str, ...]
    keyring: Path

    def __str__(self) -> str:
        return f"deb [signed-by={self.keyring}] {self.uri} {self.suite} {' '.join(self.components)}"


def sources_of(distribution: Distribution) -> tuple[Source, ...]:
    """The sources of a distribution, its main suite first.

    Raises BuildError when neither a setting nor the machine's apt names a mirror for it.
    """
    keyring = _KEYRINGS[distribution.name]
    if not keyring.exists():
        raise BuildError(
            f"The keys of {distribution.name} are missing ({keyring}). Install them: "
            f"apt-get install {distribution.name.lower()}-archive-keyring"
        )
    return tuple(
        Source(_mirror(distribution.name, suite.endswith("-security")), suite, distribution.components, keyring)
        for suite in distribution.suites
    )


def _mirror(name: str, security: bool) -> str:
    configured = Settings().mirrors
    key = f"{name.lower()}-security" if security else name.lower()
    mirror = configured.get(key) or _machine_mirrors(name).get(security)
    if mirror is None:
        raise BuildError(
            f"No mirror is known for {key}: this machine's apt has none. Set it: "
            f"""INGOT_MIRRORS='{{"{key}": "http://mirror.example/{key}"}}'"""
        )
    return mirror.rstrip("/")


@functools.cache
def _machine_mirrors(name: str) -> dict[bool, str]:
    """{is it the security archive: URI} of the first source of that distribution in the machine's apt."""
    mirrors: dict[bool, str] = {}
    targets = run(["apt-get", "indextargets", "--format", "$(RELEASE)|$(REPO_URI)", "Created-By: Packages"])
    for line in targets.splitlines():
        release, uri = line.split("|", 1)
        match = _RELEASE_NAMES[name].fullmatch(release.removesuffix("/updates"))
        if match:
            mirrors.setdefault(match["pocket"] == "-security", uri)
    return mirrors

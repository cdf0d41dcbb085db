"""The manifest: everything that a build is made from, each input named by its hash.

Template and package lists resolve to a manifest; the manifest alone decides every byte of the image. Its
hash is the build's identity: the seed of every UUID, and the name under which the result is kept.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from passlib.hash import sha512_crypt
from pydantic import BaseModel, ConfigDict

from ingot.build.distributions import Distribution, find_distribution
from ingot.build.errors import BuildError
from ingot.build.packages.repository import Repository
from ingot.build.packages.resolve import ResolvedPackage, resolve
from ingot.build.packages.sources import Source
from ingot.build.template import Package, RootUser, Template, User
from ingot.build.tree import keyboard

#: Part of every identity: raise it when the engine makes other bytes from the same inputs.
ENGINE = 1
_CRYPT_ROUNDS = 5000
_Account = TypeVar("_Account", RootUser, User)


class Manifest(BaseModel):
    """A resolved build. `epoch` (seconds) is the time that the image takes as its own; `base` names the packages of
    the layer that builds of the same distribution and profile share; `files` are boot scripts by SHA-256."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    engine: int = ENGINE
    template: Template
    epoch: int
    packages: tuple[ResolvedPackage, ...]
    base: tuple[str, ...]
    files: dict[str, str]
    sources: tuple[Source, ...]

    def document(self) -> dict[str, Any]:
        """The manifest as plain values; where packages are fetched from is no part of it."""
        packages = [
            {
                "name": package.name,
                "version": package.version,
                "arch": package.arch,
                "sha256": package.sha256,
                "size": package.size,
                "repository": package.repository,
                "level": package.level,
                "base": package.name in self.base,
            }
            for package in self.packages
        ]
        return {
            "engine": self.engine,
            "epoch": self.epoch,
            "template": self.template.canonical(),
            "packages": packages,
            "files": self.files,
        }

    def canonical(self) -> str:
        """The document as JSON in its one canonical form."""
        return json.dumps(self.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @property
    def identity(self) -> str:
        """The SHA-256 of the canonical form."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    @property
    def distribution(self) -> Distribution:
        """The distribution that is built."""
        system = self.template.os
        return find_distribution(system.name, system.version, system.arch)

    def base_packages(self) -> list[ResolvedPackage]:
        """The packages of the shared layer."""
        return [package for package in self.packages if package.name in self.base]

    def more_packages(self) -> list[ResolvedPackage]:
        """The packages that this template adds."""
        return [package for package in self.packages if package.name not in self.base]


def make_manifest(template: Template, cache: Path, boot_scripts_dir: Path | None) -> Manifest:
    """Resolve a template against the distribution's current package lists.

    Raises BuildError when the template asks for what there is not.
    """
    system = template.os
    distribution = find_distribution(system.name, system.version, system.arch)
    repository = Repository(distribution, cache)
    wanted = _wanted_packages(template, distribution)
    packages = resolve(repository, wanted)
    shared = resolve(repository, _base_packages(template, distribution))
    chosen = {(package.name, package.version) for package in packages}
    # The shared layer is of use only when the whole solution contains it as it is.
    has_base = all((package.name, package.version) in chosen for package in shared)
    return Manifest(
        template=_without_clear_passwords(template),
        epoch=int(repository.release_date().timestamp()),
        packages=tuple(packages),
        base=tuple(package.name for package in shared) if has_base else tuple(p.name for p in packages),
        files={script.source: _hash_of(script.source, boot_scripts_dir) for script in template.config},
        sources=repository.sources,
    )


def _base_packages(template: Template, distribution: Distribution) -> list[Package]:
    profile = distribution.profile(template.os.profile)
    return [Package(name=name) for name in sorted({*distribution.boot_packages, *profile.packages})]


def _wanted_packages(template: Template, distribution: Distribution) -> list[Package]:
    wanted = {package.name: package for package in _base_packages(template, distribution)}
    if template.installation.keyboard:
        wanted |= {name: Package(name=name) for name in keyboard.PACKAGES}
    wanted |= {package.name: package for package in template.os.pkgs}
    return [wanted[name] for name in sorted(wanted)]


def _hash_of(source: str, directory: Path | None) -> str:
    try:
        content = ((directory or Path()) / source).read_bytes()
    except OSError as error:
        raise BuildError(f"The file {source} of the template cannot be read: {error.strerror}.") from error
    return hashlib.sha256(content).hexdigest()


def _without_clear_passwords(template: Template) -> Template:
    """The template with every clear password hashed: no manifest, cache or log ever has one."""
    installation = template.installation
    changes: dict[str, object] = {
        "root_user": _hashed(installation.root_user),
        "users": tuple(_hashed(user) for user in installation.users),
    }
    return template.model_copy(update={"installation": installation.model_copy(update=changes)})


def _hashed(account: _Account) -> _Account:
    if account.password is None or account.encrypted:
        return account
    password = sha512_crypt.using(rounds=_CRYPT_ROUNDS).hash(account.password)
    return account.model_copy(update={"password": password, "encrypted": True})

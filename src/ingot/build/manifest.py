"""The manifest: everything that a build is made from, each input named by its hash.

Template and package lists resolve to a manifest; the manifest alone decides every byte of the image. Its
hash is the build's identity: the seed of every UUID, and the name under which the result is kept.
"""

import datetime as dt
import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

from passlib.hash import sha512_crypt
from pydantic import BaseModel, ConfigDict

from ingot.build import bundles, restriction
from ingot.build.cache import entry_key
from ingot.build.contents import Contents
from ingot.build.disk.filesystems import packages_for
from ingot.build.distributions import Distribution, find_distribution
from ingot.build.errors import BuildError
from ingot.build.families import family_of, repository_of
from ingot.build.formats.base import ImageFormat
from ingot.build.formats.options import FormatOptions, System
from ingot.build.formats.registry import FORMATS
from ingot.build.formats.tools import packages_of
from ingot.build.packages.fetch import package_pool
from ingot.build.packages.repository import Repository, ResolvedPackage
from ingot.build.packages.sources import Source
from ingot.build.request import TargetFormat
from ingot.build.template import Bundle, Package, RootUser, Template, User
from ingot.build.template_partitioning_rules import refuse_impossible
from ingot.build.tree.protection import FIREWALL_PACKAGES

#: Part of every identity: raise it when the engine makes other bytes from the same inputs.
ENGINE = 9
_MACHINE = FORMATS["raw"]
_KERNELS = "linux-image-"
_CRYPT_ROUNDS = 5000
#: Deriving a salt costs a guesser more than the hash that it belongs to.
_SALT_ROUNDS = 100_000
_Account = TypeVar("_Account", RootUser, User)


class Manifest(BaseModel):
    """A resolved build. `epoch` (seconds) is the time that the image takes as its own; `base` names the packages of
    the layer that builds of the same distribution and profile share; `files` are what bundles and boot scripts are
    made of, by SHA-256; `sources` are the package sources that the machine will have. `system` says how much of a
    machine it is; `archive` is the moment of the dated archive that the packages are from, if they are."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    engine: int = ENGINE
    system: System = "machine"
    template: Template
    epoch: int
    packages: tuple[ResolvedPackage, ...]
    base: tuple[str, ...]
    files: dict[str, str]
    sources: tuple[Source, ...]
    archive: dt.datetime | None = None

    def document(self) -> dict[str, Any]:
        """The manifest as plain values. Packages are fetched from this machine's mirrors, whatever the document says
        of the sources that the image will have."""
        packages = [
            {
                "name": package.name,
                "version": package.version,
                "arch": package.arch,
                "sha256": package.sha256,
                "size": package.size,
                "installedSize": package.installed_size,
                "repository": package.repository,
                "path": package.path,
                "level": package.level,
                "base": package.name in self.base,
            }
            for package in self.packages
        ]
        return {
            **({"archive": self.archive.isoformat()} if self.archive else {}),
            "engine": self.engine,
            "system": self.system,
            "distribution": _definition(self.distribution),
            "epoch": self.epoch,
            "template": self.template.canonical(),
            "packages": packages,
            "files": self.files,
            "sources": [
                {
                    "uri": source.uri,
                    "suite": source.suite,
                    "components": list(source.components),
                    "keyring": str(source.keyring),
                }
                for source in self.sources
            ],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The manifest that `document` wrote; raises BuildError for anything else."""
        engine = document.get("engine")
        if engine != ENGINE:
            raise BuildError(
                f"The manifest is of engine {engine!r}, this is engine {ENGINE}: other engines make other bytes. "
                "Make the manifest again from its template."
            )
        try:
            packages = [{**package, "installed_size": package["installedSize"]} for package in document["packages"]]
            manifest = cls.model_validate(
                {
                    **document,
                    "packages": packages,
                    "base": [package["name"] for package in packages if package["base"]],
                }
            )
            definition = dict(document["distribution"])
        except (KeyError, TypeError, ValueError) as error:
            raise BuildError(f"This is no manifest: {error}") from error
        if definition != (here := _definition(manifest.distribution)):
            system = manifest.template.os
            raise BuildError(
                f"The manifest's {system.name} {system.version} is another distribution than the one that is defined "
                f"here: it has {definition}, this machine {here}. Define it as it was (INGOT_DISTRIBUTIONS_FILE), or "
                "make the manifest again from its template."
            )
        return manifest

    @property
    def identity(self) -> str:
        """The SHA-256 of the document in its canonical form, and the key of the disk in the cache."""
        return entry_key(self.document())

    @cached_property
    def distribution(self) -> Distribution:
        """The distribution that is built, as it is defined here when it is first asked for."""
        system = self.template.os
        return find_distribution(system.name, system.version, system.arch)

    def repository(self, cache: Path) -> Repository:
        """Where the packages are to be had."""
        repository = repository_of(self.distribution, cache)
        return repository.dated(self.archive) if self.archive else repository

    def location(self, package: ResolvedPackage) -> str:
        """Where a package's file was to be had, without anybody's login."""
        uri = next((source.uri for source in self.sources if source.suite == package.repository), self.sources[0].uri)
        return f"{re.sub('//[^/@]*@', '//', uri)}/{package.path}"

    def base_packages(self) -> list[ResolvedPackage]:
        """The packages of the shared layer."""
        return [package for package in self.packages if package.name in self.base]

    def more_packages(self) -> list[ResolvedPackage]:
        """The packages that this template adds."""
        return [package for package in self.packages if package.name not in self.base]


def make_manifest(
    template: Template,
    cache: Path,
    contents: Contents,
    target: TargetFormat | None = None,
    *,
    format_: ImageFormat = _MACHINE,
    options: FormatOptions | None = None,
) -> Manifest:
    """Resolve a template for a format against the distribution's current package lists, and the files that it names.

    `target` is the format that bundles may be restricted to. Raises BuildError when the template asks for what there
    is not.
    """
    options = options or FormatOptions()
    template = format_.prepare(template, options)
    system = template.os
    distribution = find_distribution(system.name, system.version, system.arch)
    software = bundles.gather(fitting_bundles(template, target)[0], contents)
    template = template.model_copy(update={"bundles": software.bundles})
    present = repository_of(distribution, cache)
    repository = present.at(system.update_to) if system.update_to is not None else present
    # The packages say all of it from here on: who gets the same ones at another time gets the same image.
    template = template.model_copy(update={"os": system.model_copy(update={"update_to": None})})
    if template.installation.partitioning is not None:
        refuse_impossible(template.installation.partitioning)
    own = bundles.stage_packages(software.bundles, contents, package_pool(cache), repository.suffix)
    tools = packages_of(format_.tools, distribution.package_type) if options.platform_tools else ()
    packages = repository.resolve(_wanted_packages(template, distribution, format_, repository.offered(tools)), own)
    shared = repository.resolve(_base_packages(template, distribution, format_.system))
    chosen = {(package.name, package.version) for package in packages}
    # The shared layer is of use only when the whole solution contains it as it is.
    has_base = all((package.name, package.version) in chosen for package in shared)
    return Manifest(
        system=format_.system,
        template=_without_clear_passwords(template),
        epoch=int(repository.release_date().timestamp()),
        packages=tuple(packages),
        base=tuple(package.name for package in shared) if has_base else tuple(p.name for p in packages),
        files={**{script.source: contents.sha256(script.source) for script in template.config}, **software.files},
        # Where the machine has the keys, not where this host keeps them.
        sources=tuple(replace(source, keyring=Path(distribution.keyring)) for source in present.sources),
        archive=repository.archive,
    )


def layer_description(manifest: Manifest, packages: Sequence[ResolvedPackage], parent: str | None) -> dict[str, Any]:
    """Everything that a layer of packages in the cache is made from; `parent` is the key of the layer beneath it."""
    distribution = manifest.distribution
    return {
        "engine": manifest.engine,
        "distribution": f"{distribution.name} {distribution.version} {distribution.arch}",
        "epoch": manifest.epoch,
        "parent": parent,
        "packages": [f"{package.name} {package.version} {package.sha256}" for package in packages],
    }


def _definition(distribution: Distribution) -> dict[str, str]:
    """What of a distribution's definition shows in an image, beside the packages and sources that a manifest names."""
    return {"family": distribution.family, "efiDirectory": distribution.efi_directory}


def _base_packages(template: Template, distribution: Distribution, system: System) -> list[Package]:
    """What every image of the distribution and profile has: all of it to boot, less of it in a container."""
    listed = template.os.profile_packages
    profile = set(distribution.profile(template.os.profile).packages if listed is None else listed)
    if system == "machine":
        names = {*distribution.boot_packages, *profile}
        if any(package.name.startswith(_KERNELS) for package in template.os.pkgs):
            # A template that names a kernel, such as a cloud's, wants that one alone.
            names = {name for name in names if not name.startswith(_KERNELS)}
    elif system == "container":
        names = {*distribution.container_packages, *profile}
    else:
        names = {*distribution.application_packages, *profile} - set(distribution.service_packages)
    return [Package(name=name) for name in sorted(names)]


def _wanted_packages(
    template: Template, distribution: Distribution, format_: ImageFormat, tools: Sequence[str]
) -> list[Package]:
    wanted = {package.name: package for package in _base_packages(template, distribution, format_.system)}
    wanted |= {name: Package(name=name) for name in tools}
    if template.installation.keyboard and format_.system == "machine":
        wanted |= {name: Package(name=name) for name in family_of(distribution).keyboard_packages}
    if format_.system == "machine":
        wanted |= {name: Package(name=name) for name in packages_for(template.installation)}
        if template.installation.firewall:
            wanted |= {name: Package(name=name) for name in FIREWALL_PACKAGES}
    wanted |= {package.name: package for package in bundles.distribution_packages(template.bundles)}
    wanted |= {package.name: package for package in template.os.pkgs}
    return [wanted[name] for name in sorted(wanted)]


def fitting_bundles(template: Template, target: TargetFormat | None) -> tuple[list[Bundle], list[Bundle]]:
    """The bundles of a template that are meant for its distribution and the format, and those that are left out."""
    system = template.os
    distribution = find_distribution(system.name, system.version, system.arch)
    facts = restriction.distribution_facts(
        distribution.name, distribution.version, distribution.arch, distribution.package_type
    )
    if target is not None:
        facts |= restriction.format_facts(target.names, target.type)
    return bundles.applicable(template.bundles, facts)


def _without_clear_passwords(template: Template) -> Template:
    """The template with every clear password hashed: no manifest, cache or log ever has one."""
    installation = template.installation
    changes: dict[str, object] = {
        "root_user": _hashed(installation.root_user, f"{template.name}/root"),
        "users": tuple(_hashed(user, f"{template.name}/{user.name}") for user in installation.users),
    }
    return template.model_copy(update={"installation": installation.model_copy(update=changes)})


def _hashed(account: _Account, whose: str) -> _Account:
    """The account with its password hashed, always in the same way: the same template gives the same bytes."""
    if account.password is None or account.encrypted:
        return account
    derived = hashlib.pbkdf2_hmac("sha512", account.password.encode(), whose.encode(), _SALT_ROUNDS, dklen=12)
    salt = b64encode(derived, b"./").decode("ascii")
    password = sha512_crypt.using(rounds=_CRYPT_ROUNDS, salt=salt).hash(account.password)
    return account.model_copy(update={"password": password, "encrypted": True})

"""Distributions that an operator defines: a YAML file of them, named by the setting `distributions_file`."""

import datetime as dt
import functools
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from ingot.build.distributions.architectures import ARCHITECTURES, canonical
from ingot.build.distributions.base import Distribution, FamilyName, Profile, Suite
from ingot.build.errors import BuildError
from ingot.settings import Settings

_Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class _Profile(_Part):
    name: str
    description: str = ""
    packages: tuple[str, ...]


class _Suite(_Part):
    archive: str
    name: str
    path: str = ""


class _Definition(_Part):
    family: FamilyName
    name: _Text = Field(min_length=1)
    version: _Text = Field(min_length=1)
    arch: Annotated[str, BeforeValidator(canonical)] = "x86_64"
    codename: _Text
    release_date: dt.date
    suites: tuple[_Suite, ...] = Field(min_length=1)
    components: tuple[str, ...] = ("main",)
    keyring: str
    keyring_package: str = ""
    boot_packages: tuple[str, ...]
    container_packages: tuple[str, ...] = ()
    application_packages: tuple[str, ...] = ()
    service_packages: tuple[str, ...] = ()
    profiles: tuple[_Profile, ...] = Field(min_length=1)
    efi_directory: str
    description: str = ""

    def distribution(self) -> Distribution:
        return Distribution(
            **{
                **{name: getattr(self, name) for name in type(self).model_fields},
                "release_date": self.release_date.isoformat(),
                "suites": tuple(Suite(suite.archive, suite.name, suite.path) for suite in self.suites),
                "profiles": tuple(Profile(one.name, one.description, one.packages) for one in self.profiles),
                "description": self.description or f"{self.name} {self.version}",
            }
        )


class _File(_Part):
    distributions: tuple[_Definition, ...]


def own_distributions() -> tuple[Distribution, ...]:
    """What the operator's file defines; raises BuildError for what it cannot mean. Empty without a file."""
    file = Settings().distributions_file
    return _read(file.expanduser().absolute(), file.stat().st_mtime_ns) if file and _is_there(file) else ()


def _is_there(file: Path) -> bool:
    if not file.expanduser().is_file():
        raise BuildError(f"The file of distributions {file} (INGOT_DISTRIBUTIONS_FILE) does not exist.")
    return True


@functools.lru_cache(maxsize=4)
def _read(file: Path, _changed: int) -> tuple[Distribution, ...]:
    import yaml  # noqa: PLC0415 - each start of the engine would wait for it

    try:
        definitions = _File.model_validate(yaml.safe_load(file.read_text(encoding="utf-8"))).distributions
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        raise BuildError(f"The file of distributions {file} is not as it should be: {error}") from error
    known = [architecture.name for architecture in ARCHITECTURES]
    for definition in definitions:
        if definition.arch not in known:
            raise BuildError(
                f"{file}: {definition.name} {definition.version} is for {definition.arch}; there are "
                f"{', '.join(known)}."
            )
    return tuple(definition.distribution() for definition in definitions)

"""Package repositories."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.base import DateTime, Items, OpStatus, UForgeObject, UForgeObjects, UriList

RepositoryPackagingType = Literal["RPM", "DEB"]


class Repository(UForgeObject):
    """A package repository."""

    ELEMENT: ClassVar[str | None] = "repository"

    name: str | None = None
    parent_uri: str | None = None
    uri: str | None = None
    distributions_uri: str | None = None
    url: str | None = None
    packaging_type: RepositoryPackagingType | None = None
    last_updated: DateTime | None = None
    core_repository: bool | None = None
    officially_supported: bool | None = None
    distributions_uri_list: UriList | None = None


class Repositories(UForgeObjects):
    """Package repositories."""

    ELEMENT: ClassVar[str | None] = "repositories"

    repositories: Annotated[list[Repository], Items("repository")] = Field(default_factory=list)


class RepositoryUpdate(UForgeObject):
    """One reading of a repository into the package index."""

    ELEMENT: ClassVar[str | None] = "repositoryUpdate"

    uri: str | None = None
    status: OpStatus | None = None


class RepositoryUpdates(UForgeObjects):
    """The readings of a repository."""

    ELEMENT: ClassVar[str | None] = "repositoryUpdates"

    repository_updates: Annotated[list[RepositoryUpdate], Items("repositoryUpdate")] = Field(default_factory=list)

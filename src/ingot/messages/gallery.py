"""Galleries: templates for everybody."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.appliance import Appliance
from ingot.messages.base import DateTime, Float, Int, Items, Long, OpStatus, UForgeObject, UForgeObjects
from ingot.messages.statistics import StatDataPoint
from ingot.messages.user import Gallery, User
from ingot.messages.workspace import Comment

GalleryTemplateCategory = Literal[
    "Blogging",
    "Bug Tracking",
    "Business Integration",
    "Business Intelligence",
    "Cloud Infrastructure",
    "Collaboration",
    "Communications",
    "Configuration Management",
    "Content Management",
    "CRM",
    "Data Integration",
    "Database",
    "Database Management",
    "Development Tools",
    "Discussion Forums",
    "Document Management",
    "eCommerce",
    "Education",
    "ERP",
    "Games Entertainment",
    "Identity",
    "Information Management",
    "Infrastructure",
    "Instant Messaging",
    "Monitoring",
    "Network Management",
    "Networking",
    "Other",
    "Portal",
    "Project Management",
    "Proxy Server",
    "Reporting",
    "Security",
    "Software Development",
    "System",
    "System Administration",
    "Telephony",
    "Ticket Management",
    "User Management",
    "Web Application Servers",
    "Wiki",
]


class VoteStat(UForgeObject):
    """A vote on a template."""

    ELEMENT: ClassVar[str | None] = "voteStat"

    login_name: str | None = None
    parent_uri: str | None = None
    rating: Float | None = None
    uri: str | None = None
    user: User | None = None


class GalleryTemplateStat(UForgeObject):
    """Who took a template, and how often."""

    ELEMENT: ClassVar[str | None] = "galleryTemplateStat"

    download_id: str | None = None
    nb_downloads: Long | None = None
    nb_imports: Long | None = None
    parent_uri: str | None = None
    uri: str | None = None
    user: User | None = None


class GalleryTemplateStatistics(UForgeObject):
    """How often a template was taken, and how it was rated."""

    ELEMENT: ClassVar[str | None] = "galleryTemplateStatistics"

    cloned_stats: Annotated[list[GalleryTemplateStat] | None, Items("clonedStat")] = None
    cloned_stats_uri: str | None = None
    clones: Annotated[list[StatDataPoint] | None, Items("statDataPoint")] = None
    downloads: Annotated[list[StatDataPoint] | None, Items("statDataPoint")] = None
    has_rating: bool | None = None
    nb_downloads: Long | None = None
    nb_imports: Long | None = None
    nb_votes: Long | None = None
    overall_rating: Float | None = None
    parent_uri: str | None = None
    truncated_date: str | None = None
    uri: str | None = None
    vote_stats: Annotated[list[VoteStat] | None, Items("voteStat")] = None
    vote_stats_uri: str | None = None


class GalleryTemplate(Appliance):
    """An appliance that is offered in a gallery or a workspace."""

    ELEMENT: ClassVar[str | None] = "galleryTemplate"

    allow_comments: bool | None = None
    appliance_uri: str | None = None
    category: GalleryTemplateCategory | None = None
    comments: Annotated[list[Comment] | None, Items("comment")] = None
    comments_uri: str | None = None
    gallery_uri: str | None = None
    nb_boot_scripts: Int | None = None
    nb_clones: Long | None = None
    nb_downloads: Long | None = None
    nb_os_packages: Int | None = Field(default=None, alias="nbOSPackages")
    nb_votes: Long | None = None
    nb_watchers: Int | None = None
    notifications_uri: str | None = None
    os_profile_name: str | None = None
    owner: str | None = None
    publisher: str | None = None
    rating: Float | None = None
    related_versions: Annotated[list["GalleryTemplate"] | None, Items("galleryTemplate")] = None
    release_date: DateTime | None = None
    statistics: Annotated[list[GalleryTemplateStatistics] | None, Items("statistic")] = None
    statistics_uri: str | None = None
    status: OpStatus | None = None
    vote_uri: str | None = None
    watching: bool | None = None
    workspace_name: str | None = None
    workspace_uri: str | None = None


class GalleryTemplates(UForgeObjects):
    """Templates of a gallery or a workspace."""

    ELEMENT: ClassVar[str | None] = "galleryTemplates"

    gallery_templates: Annotated[list[GalleryTemplate], Items("galleryTemplate")] = Field(default_factory=list)


class Galleries(UForgeObjects):
    """Galleries."""

    ELEMENT: ClassVar[str | None] = "galleries"

    galleries: Annotated[list[Gallery], Items("gallery")] = Field(default_factory=list)

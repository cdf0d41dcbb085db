"""Settings of the server and the build engine: one table, read from `INGOT_*` environment variables."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything an operator can set. Each field is also an environment variable: INGOT_<NAME IN CAPITALS>."""

    model_config = SettingsConfigDict(env_prefix="INGOT_", extra="ignore")

    processes: int = Field(default=1, ge=1, le=256, description="Server processes that answer requests.")
    data_dir: Path = Field(
        default=Path("~/.local/share/ingot"), description="Where the database, artifacts and caches live."
    )
    database_url: str | None = Field(
        default=None, description="SQLAlchemy URL; without it, SQLite in the data directory."
    )
    mirrors: dict[str, str] = Field(
        default={},
        description='Package mirrors by archive, as JSON ({"debian": URL, "debian-security": URL}); '
        "without them, those of the machine's own apt sources.",
    )
    keyrings: dict[str, Path] = Field(
        default={},
        description='Files with the keys that a distribution\'s packages are signed with, as JSON ({"ubuntu": PATH}); '
        "without them, where the distribution's own keyring package has them.",
    )
    archives: dict[str, str] = Field(
        default={},
        description="Dated archives by archive, as JSON: addresses in which {time} stands for a time such as "
        "20260131T060000Z. They answer for times before the first snapshot of the package lists.",
    )
    distributions_file: Path | None = Field(
        default=None, description="A YAML file that defines further distributions; see the reference of distributions."
    )
    package_lists_max_age: int = Field(
        default=3600, description="Seconds after which a build fetches a distribution's package lists again."
    )
    compatible_version: str = Field(
        default="3.8.13", description="The API version that /status names; the original's clients compare it."
    )
    largest_body: int = Field(default=20_000_000, description="Bytes that the document in a request may have.")
    largest_upload: int = Field(default=32 << 30, description="Bytes that a file or an archive sent to it may have.")
    download_key_lifetime: int = Field(default=7 * 86400, description="Seconds that an unused download key is good.")
    download_resume_window: int = Field(
        default=900, ge=0, description="Seconds in which a broken download may be resumed; 0 for not at all."
    )
    download_silence: float = Field(
        default=60, gt=0, description="Seconds after which a client that takes nothing of its download is dropped."
    )
    downloads_per_object: int | None = Field(
        default=None, ge=1, description="Downloads of one image (or other file) at once; without it, any number."
    )
    downloads_per_user: int | None = Field(
        default=None, ge=1, description="Downloads of all files of one user at once; without it, any number."
    )
    download_rate_per_object: int | None = Field(
        default=None,
        ge=1024,
        description="Bytes per second that all downloads of one image (or other file) have together; without it, any.",
    )
    download_rate_per_user: int | None = Field(
        default=None,
        ge=1024,
        description="Bytes per second that the downloads of all files of one user have together; without it, any.",
    )
    accelerated_downloads: Literal["nginx"] | None = Field(
        default=None,
        description="`nginx` when the server stands behind nginx with deploy/nginx.conf: nginx then sends the files.",
    )
    artifacts: str | None = Field(
        default=None,
        pattern=r"^s3://[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9](/[A-Za-z0-9._/-]*)?$",
        description="Where images and other files are kept: s3://BUCKET or s3://BUCKET/PREFIX; without it, in the "
        "data directory.",
    )
    s3_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#\s]+/?$",
        description="The address of what speaks S3; without it, Amazon's.",
    )
    s3_public_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#\s]+/?$",
        description="The address by which those who download reach the same; without it, as the server does.",
    )
    s3_region: str | None = Field(
        default=None, description="The bucket's region; without it, what AWS_DEFAULT_REGION or the profile says."
    )
    s3_link_lifetime: int = Field(
        default=300,
        ge=10,
        le=7 * 86400,
        description="Seconds within which a download has to begin that was sent to the bucket.",
    )
    lease_seconds: int = Field(default=20, description="Seconds of silence after which a worker counts as lost.")
    parallel_builds: int = Field(default=2, description="Builds that a worker runs at once.")
    parallel_publications: int = Field(default=4, description="Publications that a worker uploads at once.")
    packages_max_age: int = Field(default=86400, description="Seconds after which a package index is refreshed.")
    build_memory_limit: int = Field(
        default=4096, ge=0, description="MB of memory that a package's script may take in a build; 0 for no bound."
    )
    build_process_limit: int = Field(
        default=4096, ge=0, description="Processes that a package's script may have at once; 0 for no bound."
    )
    build_time_limit: int = Field(
        default=3600, ge=0, description="Seconds that a program may run in the image being built; 0 for no bound."
    )
    build_command: list[str] = Field(default=[], description="The engine's command, as JSON; without it, Ingot's own.")
    builder_id: str | None = Field(
        default=None,
        description="The URI that names this installation in statements about its images; without it, one made of "
        "the key that they are signed with.",
    )
    cache_dir: Path | None = Field(
        default=None, description="Where packages, trees and disks are kept; without it, in the data directory."
    )
    cache_size: int = Field(
        default=20 << 30,
        description="Bytes that the cache of builds may take; what was used least recently goes first.",
    )
    allow_private_sources: bool = Field(
        default=False,
        description="Whether software may be fetched from private addresses, as those of one's own network.",
    )
    transfer_lifetime: int = Field(
        default=7 * 86400, description="Seconds that the exports and imports of appliances are kept."
    )
    archive_max_members: int = Field(default=200_000, description="Members that an uploaded archive may have.")
    archive_max_size: int = Field(default=32 << 30, description="Bytes that an archive may unpack to.")
    root_password: str | None = Field(
        default=None, repr=False, description="The administrator's password at the first start."
    )

    @model_validator(mode="after")
    def _limits_are_kept(self) -> Self:
        if self.accelerated_downloads and (self.downloads_per_object or self.downloads_per_user):
            raise ValueError(
                "INGOT_DOWNLOADS_PER_OBJECT and INGOT_DOWNLOADS_PER_USER cannot be kept when nginx sends the files: "
                "leave them out and use limit_conn, as deploy/nginx.conf shows"
            )
        return self

    @model_validator(mode="after")
    def _who_sends_is_clear(self) -> Self:
        if self.artifacts is None:
            return self
        if self.accelerated_downloads:
            raise ValueError(
                f"INGOT_ACCELERATED_DOWNLOADS={self.accelerated_downloads} cannot send what lies in "
                f"{self.artifacts}: leave it out (those who download fetch from the bucket itself), or leave out "
                "INGOT_ARTIFACTS"
            )
        limits = ("downloads_per_object", "downloads_per_user", "download_rate_per_object", "download_rate_per_user")
        if kept := [f"INGOT_{name}".upper() for name in limits if getattr(self, name)]:
            raise ValueError(
                f"{' and '.join(kept)} cannot be kept when those who download fetch from {self.artifacts} itself: "
                "leave them out, or leave out INGOT_ARTIFACTS"
            )
        return self

    @property
    def directory(self) -> Path:
        """The data directory, with `~` expanded."""
        return self.data_dir.expanduser().absolute()

    @property
    def cache(self) -> Path:
        """The cache of the build engine."""
        return self.cache_dir.expanduser().absolute() if self.cache_dir else self.directory / "cache"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.directory / 'ingot.db'}"

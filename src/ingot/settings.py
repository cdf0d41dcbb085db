"""Settings of the server and the build engine: one table, read from `INGOT_*` environment variables."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything an operator can set. Each field is also an environment variable: INGOT_<NAME IN CAPITALS>."""

    model_config = SettingsConfigDict(env_prefix="INGOT_", extra="ignore")

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
    package_lists_max_age: int = Field(
        default=3600, description="Seconds after which a build fetches a distribution's package lists again."
    )

    @property
    def directory(self) -> Path:
        """The data directory, with `~` expanded."""
        return self.data_dir.expanduser().absolute()

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.directory / 'ingot.db'}"

"""Which of the places for artifacts the settings choose."""

from ingot.settings import Settings
from ingot.store.artifacts import ArtifactStore, LocalArtifacts


def artifacts_of(settings: Settings) -> ArtifactStore:
    """The store of the settings. Raises ArtifactError where it cannot be used as it is set up."""
    directory = settings.directory / "artifacts"
    if settings.artifacts is None:
        return LocalArtifacts(directory)
    # Its library takes 14 MB: only who needs it loads it.
    from ingot.store.s3 import S3Artifacts  # noqa: PLC0415
    from ingot.store.s3_client import bucket_of  # noqa: PLC0415

    return S3Artifacts(bucket_of(settings), directory / "incoming", settings.s3_link_lifetime)


def require_usable(settings: Settings) -> None:
    """Try the store before anything needs it. Raises ArtifactError, which says what is missing."""
    if settings.artifacts is None:
        return
    from ingot.store.s3 import S3Artifacts  # noqa: PLC0415
    from ingot.store.s3_client import bucket_of  # noqa: PLC0415

    S3Artifacts(bucket_of(settings), settings.directory / "artifacts/incoming", 10).require_usable()

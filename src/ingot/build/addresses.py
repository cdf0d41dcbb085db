"""Which sources of a template are web addresses."""

from urllib.parse import urlsplit

SCHEMES = ("http", "https")


def is_remote(source: str) -> bool:
    """Whether a source is a web address and no path."""
    return urlsplit(source).scheme.lower() in SCHEMES and "://" in source

"""Names of files in archives that are made here."""

import re


def put(files: dict[str, str], wanted: str, sha256: str) -> str:
    """Enter a content under the name that is wanted, or under one like it; returns the name."""
    directory, _, plain = wanted.rpartition("/")
    name, number = wanted, 1
    while files.setdefault(name, sha256) != sha256:
        number += 1
        name = f"{directory}/{number}-{plain}"
    return name


def plain_name(name: str) -> str:
    """A name that every file system takes, and every client."""
    return re.sub(r"[\x00-\x1f\x7f/\\\s]+", "_", name).strip(".")[-200:] or "file"

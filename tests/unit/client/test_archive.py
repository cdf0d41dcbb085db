"""Template archives: every file that a template names is in it, under the name that its document gives."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from ingot.client.archive import packed
from ingot.client.errors import ClientError


def _pack(stack: dict[str, Any], directory: Path) -> tuple[dict[str, Any], dict[str, bytes | None], list[str]]:
    """(The document in the archive, {name: content, None for a directory}, the names in their order)."""
    with (
        packed({"stack": stack, "builders": []}, directory) as file,
        tarfile.open(fileobj=file, mode="r|gz") as archive,
    ):
        contents: dict[str, bytes | None] = {}
        for member in archive:
            content = archive.extractfile(member)
            contents[member.name] = content.read() if content else None
    document = json.loads(contents.pop("template.json") or b"")
    assert set(document) == {"stack"}
    return document["stack"], contents, [*contents, "template.json"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in (
        "setup.sh",
        "other/setup.sh",
        "site/index.html",
        "site/css/a b.css",
        "licence.txt",
        "logo.png",
        "größe",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"content of {name}", encoding="utf-8")
    return tmp_path


def test_scripts_of_the_same_name_stay_apart(directory: Path) -> None:
    scripts = [{"name": "a", "source": "setup.sh"}, {"name": "b", "source": str(directory / "other/setup.sh")}]
    stack, contents, names = _pack({"name": "w", "version": "1.0", "config": scripts}, directory)
    assert (stack["name"], stack["version"]) == ("w", "1.0")
    assert [contents[script["source"]] for script in stack["config"]] == [
        b"content of setup.sh",
        b"content of other/setup.sh",
    ]
    assert all(name.startswith("config/") for name in contents)
    assert len(names) == 3


def test_bundles_bring_their_files_directories_licences_and_logos(directory: Path) -> None:
    bundle = {
        "name": "my site",
        "version": "2",
        "license": {"name": "MIT", "source": "licence.txt"},
        "source_logo": "logo.png",
        "files": [
            {"name": "site", "source": "site", "destination": "/var/www"},
            {"name": "größe", "source": "größe", "rights": "644"},
            {"name": "nginx", "source": "nginx", "tag": "ospkg"},
            {"name": "x", "source": "https://example.org/x.tgz"},
        ],
    }
    stack, contents, _ = _pack({"bundles": [bundle], "source_logo": "logo.png"}, directory)
    (changed,) = stack["bundles"]
    assert contents[changed["license"]["source"]] == b"content of licence.txt"
    assert contents[changed["source_logo"]] == contents[stack["source_logo"]] == b"content of logo.png"
    site, plain, package, remote = changed["files"]
    assert site["destination"] == "/var/www"
    assert contents[site["source"]] is None
    css, index = site["files"]
    assert contents[css["source"]] is None
    assert contents[css["files"][0]["source"]] == b"content of site/css/a b.css"
    assert contents[index["source"]] == b"content of site/index.html"
    assert contents[plain["source"]] == "content of größe".encode()
    assert plain["rights"] == "644"
    assert (package["source"], remote["source"]) == ("nginx", "https://example.org/x.tgz")
    assert not any(" " in name or name.startswith("/") or ".." in name for name in contents)


def test_a_file_that_is_not_there_is_named(directory: Path) -> None:
    with pytest.raises(ClientError, match=r"nothing\.sh cannot be read"):
        _pack({"config": [{"name": "a", "source": "nothing.sh"}]}, directory)


def test_a_directory_that_contains_itself_is_refused(directory: Path) -> None:
    (directory / "site/again").symlink_to(directory / "site")
    with pytest.raises(ClientError, match="is a link to a directory"):
        _pack({"bundles": [{"name": "b", "version": "1", "files": [{"name": "s", "source": "site"}]}]}, directory)

"""Archives of templates and bundles: a document with every file that it names, as the API's imports take them."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import IO, Any

from ingot.client.errors import ClientError

_REMOTE = ("http://", "https://", "ftp://")


@contextmanager
def packed(document: dict[str, Any], directory: Path) -> Iterator[IO[bytes]]:
    """An archive of a template's document and of the files that it names below `directory`.

    The document goes in last, with the files' names in the archive as their sources. The archive is a temporary file
    that stands at its beginning. Raises ClientError.
    """
    with _archive("template.json", directory, lambda packer: {"stack": packer.stack(document["stack"])}) as file:
        yield file


@contextmanager
def packed_bundle(bundle: dict[str, Any], directory: Path) -> Iterator[IO[bytes]]:
    """An archive of a bundle's document and of the files that it names, as `packed` makes of a template's."""
    with _archive("bundle.json", directory, lambda packer: packer.bundle(bundle)) as file:
        yield file


@contextmanager
def _archive(name: str, directory: Path, pack: "Callable[[_Packer], dict[str, Any]]") -> Iterator[IO[bytes]]:
    with TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=6) as archive:
            content = json.dumps(pack(_Packer(archive, directory)), indent=1, ensure_ascii=False).encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        file.seek(0)
        yield file


class _Packer:
    """Puts files into an archive and gives back the document that names them there."""

    def __init__(self, archive: tarfile.TarFile, directory: Path) -> None:
        self._archive, self._directory = archive, directory
        self._names: set[str] = set()

    def stack(self, stack: dict[str, Any]) -> dict[str, Any]:
        """A stack whose sources are names in the archive."""
        changed = dict(stack)
        if scripts := stack.get("config"):
            changed["config"] = [self._with_source(script, "config") for script in scripts]
        if bundles := stack.get("bundles"):
            changed["bundles"] = [self.bundle(bundle) for bundle in bundles]
        if logo := stack.get("source_logo"):
            changed["source_logo"] = self._add(logo, "logo")
        return changed

    def bundle(self, bundle: dict[str, Any]) -> dict[str, Any]:
        """A bundle whose sources are names in the archive."""
        changed = dict(bundle)
        place = f"bundles/{bundle.get('name')}"
        if license_ := bundle.get("license"):
            changed["license"] = self._with_source(license_, place)
        if logo := bundle.get("source_logo"):
            changed["source_logo"] = self._add(logo, place)
        changed["files"] = [
            self._file(entry, f"{place}/{bundle.get('version')}") for entry in bundle.get("files") or []
        ]
        return changed

    def _file(self, entry: dict[str, Any], place: str) -> dict[str, Any]:
        source = entry.get("source")
        if entry.get("tag") == "ospkg" or str(source).startswith(_REMOTE):
            return dict(entry)
        if source is None:
            inner = self._free(f"{place}/{entry.get('name')}")
            return {**entry, "files": [self._file(child, inner) for child in entry.get("files") or []]}
        if not (path := self._directory / str(source)).is_dir():
            return self._with_source(entry, place)
        if path.is_symlink():
            raise ClientError(f"{path} is a link to a directory: name the directory itself.")
        inner = self._free(f"{place}/{path.name}")
        children = [self._file(child, inner) for child in entry.get("files") or _listed(path, entry)]
        self._archive.add(path, inner, recursive=False)
        return {**entry, "source": inner, "files": children}

    def _with_source(self, entry: dict[str, Any], place: str) -> dict[str, Any]:
        source = entry.get("source")
        return {**entry, "source": self._add(str(source), place)} if source else dict(entry)

    def _add(self, source: str, place: str) -> str:
        """Put a file into the archive; returns its name there."""
        if source.startswith(_REMOTE):
            return source
        path = self._directory / source
        name = self._free(f"{place}/{PurePosixPath(source).name}")
        try:
            with path.open("rb") as file:
                info = self._archive.gettarinfo(arcname=name, fileobj=file)
                self._archive.addfile(info, file)
        except OSError as error:
            raise ClientError(f"{path} cannot be read: {error.strerror}.") from error
        return name

    def _free(self, name: str) -> str:
        """A name that nothing in the archive has yet."""
        stem, dot, suffix = name.rpartition(".")
        number, free = 1, name.replace(" ", "_")
        while free in self._names:
            number += 1
            numbered = f"{stem}-{number}.{suffix}" if dot and "/" not in suffix else f"{name}-{number}"
            free = numbered.replace(" ", "_")
        self._names.add(free)
        return free


def _listed(directory: Path, entry: dict[str, Any]) -> list[dict[str, Any]]:
    """What is in a directory that nothing more is said of: it has the directory's rights and owner."""
    shared: dict[str, Any] = {key: entry[key] for key in ("rights", "ownerGroup", "install") if key in entry}
    children = sorted(directory.iterdir(), key=lambda child: child.name)
    return [{"name": child.name, "source": str(child), **shared} for child in children]

"""Write files into a tree, never outside it: links in the tree lead where they would on the machine."""

import os
from pathlib import Path

from ingot.build.errors import BuildError

_MOST_LINKS = 40


def inside(tree: Path, path: str) -> Path:
    """Where an absolute path of the machine lies in the tree, with the directory's links followed in the tree.

    The last component is not followed. Raises BuildError for a loop of links.
    """
    pending = [part for part in Path(path).parts if part != "/"]
    current: list[str] = []
    links = 0
    while pending:
        part = pending.pop(0)
        if part == "..":
            current[-1:] = []
            continue
        here = tree.joinpath(*current, part)
        if pending and here.is_symlink():
            links += 1
            if links > _MOST_LINKS:
                raise BuildError(f"The path {path} of the image has too many links.")
            target = here.readlink()
            if target.is_absolute():
                current = []
            pending[:0] = [piece for piece in target.parts if piece != "/"]
        else:
            current.append(part)
    return tree.joinpath(*current)


def read(tree: Path, path: str) -> bytes:
    """The content of a file of the machine, with links followed in the tree. Raises BuildError for a loop of links."""
    for _ in range(_MOST_LINKS):
        file = inside(tree, path)
        if not file.is_symlink():
            return file.read_bytes()
        path = (
            f"/{file.parent.relative_to(tree)}/{file.readlink()}"
            if not file.readlink().is_absolute()
            else str(file.readlink())
        )
    raise BuildError(f"The path {path} of the image has too many links.")


def write(tree: Path, path: str, content: str | bytes, *, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> Path:
    """Write a file of the machine, with its directories; what was there is replaced. Returns its place."""
    file = inside(tree, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_symlink():
        file.unlink()
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    file.chmod(mode)
    os.chown(file, *owner)
    return file


def link(tree: Path, path: str, target: str) -> None:
    """Make a symbolic link of the machine; what was there is replaced."""
    place = inside(tree, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def remove(tree: Path, pattern: str) -> None:
    """Remove the files of the machine that match a pattern such as `/var/log/*.log`."""
    for match in tree.glob(pattern.lstrip("/")):
        if match.is_symlink() or not match.is_dir():
            match.unlink()


def own(path: Path, owner: tuple[int, int]) -> None:
    """Give a file to (user id, group id)."""
    os.chown(path, *owner)

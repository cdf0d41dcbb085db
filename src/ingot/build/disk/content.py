"""A tree divided by mount points: how much belongs to each file system, and a directory of just that."""

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ingot.build import namespace
from ingot.build.disk.filesystems import Content
from ingot.build.errors import BuildError
from ingot.build.tree import files

_BLOCK = 4096


def measure(tree: Path, mount_points: Iterable[str]) -> Mapping[str, Content]:
    """How much of a tree belongs to each mount point; the root's own is among them."""
    contents = {point: Content() for point in mount_points}
    owners = {"": contents["/"], **{point: content for point, content in contents.items() if point != "/"}}
    pending = [(str(tree), contents["/"])]
    while pending:
        directory, content = pending.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                content.size += -(-entry.stat(follow_symlinks=False).st_size // _BLOCK) * _BLOCK
                content.count += 1
                if entry.is_dir(follow_symlinks=False):
                    pending.append((entry.path, owners.get(entry.path[len(str(tree)) :], content)))
    return contents


@contextmanager
def divided(tree: Path, mount_points: Iterable[str], scratch: Path) -> Iterator[Mapping[str, Path]]:
    """Directories with what each file system is to hold, by mount point, as long as the context lasts.

    In them, the mount points of others are empty; the tree itself stays as it is. Must run inside the namespace.
    """
    points = sorted(set(mount_points), key=len)
    covers = (scratch / f"cover-{number}" for number in itertools.count())
    views: dict[str, Path] = {}
    with ExitStack() as mounted:
        for number, point in enumerate(points):
            view = views[point] = scratch / f"part-{number}"
            view.mkdir()
            namespace.bind(make_mount_point(tree, point), view)
            mounted.callback(namespace.unmount, view)
            for inner in points:
                if inner != point and f"{inner}/".startswith(f"{point.rstrip('/')}/"):
                    place = view / inner[len(point) :].lstrip("/")
                    # What is inside a covered directory is covered already.
                    if place.is_dir():
                        _cover(place, next(covers), mounted)
        yield views


def _cover(place: Path, cover: Path, mounted: ExitStack) -> None:
    """Show an empty directory in a place, with its owner and rights."""
    status = place.stat()
    cover.mkdir()
    os.chown(cover, status.st_uid, status.st_gid)
    cover.chmod(status.st_mode & 0o7777)
    namespace.bind(cover, place)
    mounted.callback(namespace.unmount, place)


def make_mount_point(tree: Path, point: str) -> Path:
    """The directory of a mount point in a tree, made where there is none. Returns its place.

    Raises BuildError where something else is in the way.
    """
    # Of a path, all but the last step is followed.
    place = files.inside(tree, str(Path(point) / "inside")).parent
    if place != tree / point.lstrip("/"):
        found = place.relative_to(tree)
        raise BuildError(f"The mount point {point} leads through a link to /{found}. Mount /{found} itself.")
    if place.exists() and not place.is_dir():
        raise BuildError(f"The mount point {point} is a file of the image. Choose another place.")
    place.mkdir(parents=True, exist_ok=True)
    return place

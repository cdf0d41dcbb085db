"""`ingot download`: an image's file, by its number at the server one is logged in to, or by an address with a key."""

from collections.abc import Callable
from pathlib import Path

import httpx
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from ingot import __version__
from ingot.cli.follow import is_over
from ingot.cli.images import state
from ingot.cli.output import NOT_FOUND, REFUSED, errors, fail, printable, refuse_existing, tell
from ingot.cli.remote import connected, exit_code
from ingot.client import download as client
from ingot.client import find
from ingot.client.errors import ClientError
from ingot.messages.base import OpStatus
from ingot.messages.image import Image

_GOES_ON = "What came is kept: the same command goes on from there."


def download(what: str, target: Path | None, *, force: bool) -> None:
    """Fetch a file; one that was begun before is gone on with."""
    if what.startswith(("http://", "https://")):
        _by_address(what, target, force=force)
    elif what.isdecimal():
        _by_number(int(what), target, force=force)
    else:
        fail(f"{what} is neither the id of an image nor an address. Those there are: ingot image list", code=NOT_FOUND)


def _by_number(number: int, target: Path | None, *, force: bool) -> None:
    with connected() as connection:
        image = find.image(connection, number)
        sha256 = image.sha256sum
        if not sha256 or not image.download_uri:
            fail(f"Image {number} is {state(image)}{_why_not(image)}", code=REFUSED)
        path = place(image.file_name, f"image-{number}", target)
        refuse_existing(path, force=force)
        size, address = image.size or 0, f"{image.uri}/downloads"
        fetch(path, size, lambda progress: connection.download(address, sha256, size, path, progress))
    tell(path)


def _by_address(address: str, target: Path | None, *, force: bool) -> None:
    headers = {"User-Agent": f"ingot/{__version__}"}
    directory = target if target is not None and target.is_dir() else (target or Path("_")).parent
    try:
        with httpx.Client(headers=headers) as http, client.announced(http, address, directory) as (source, name):
            path = place(name, "image", target)
            refuse_existing(path, force=force)
            fetch(path, source.size, lambda progress: client.download(http, source, path, progress))
    except ClientError as error:
        fail(printable(error), code=exit_code(error))
    except OSError as error:
        fail(f"{directory} cannot be written: {error.strerror}. Choose another place: -o FILE")
    tell(path)


def fetch(path: Path, size: int, run: Callable[[client.Progress], None]) -> None:
    """Run a download with a bar that shows how far it is, how fast, and how long it still takes."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
            task = progress.add_task("", total=size)
            run(lambda there, _: progress.update(task, completed=there))
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}. {_GOES_ON}")
    except KeyboardInterrupt:
        fail(f"Stopped. {_GOES_ON}")


def place(file_name: str | None, otherwise: str, target: Path | None) -> Path:
    """Where a file goes: a name that the server gave is a name in one directory and nothing else."""
    name = Path(printable(file_name).replace("/", "_")).name or otherwise
    if target is None:
        return Path(name)
    return target / name if target.is_dir() else target


def _why_not(image: Image) -> str:
    status = image.status or OpStatus()
    if not is_over(status):
        return f": wait for it with ingot image follow {image.db_id}"
    if status.complete and not image.simulated:
        return ", but was generated for publishing: generate one to download"
    return ": there is nothing to download"

"""What a Debian package file says of itself."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ingot.build.errors import BuildError
from ingot.build.run import ENVIRONMENT

if TYPE_CHECKING:
    from debian.deb822 import Packages

#: Bytes; a package of a stranger may unpack to any number of them.
_LARGEST = 1 << 20


def read_control(file: Path) -> "Packages":
    """The control paragraph of a package file, with at least its name, version and architecture; raises BuildError."""
    from debian.deb822 import Packages  # noqa: PLC0415 - 30 ms and 4 MB that servers and cached builds do without

    argv = ["dpkg-deb", "--field", str(file)]
    # Not with `run`, which would hold all of what it says in memory.
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(ENVIRONMENT)
    ) as process:
        assert process.stdout is not None  # noqa: S101 - we asked for pipes
        assert process.stderr is not None  # noqa: S101
        text = process.stdout.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            process.kill()
            raise BuildError("it is no Debian package: its control data is far too large")
        words = process.stderr.read(_LARGEST).decode("utf-8", "replace").strip()
    if process.returncode != 0:
        raise BuildError(f"it is no Debian package: {words.replace(str(file), 'the file') or 'dpkg-deb refuses it'}")
    paragraph = Packages(text)
    missing = [field for field in ("Package", "Version", "Architecture") if not paragraph.get(field)]
    if missing:
        raise BuildError(f"it is no Debian package: it does not say its {', '.join(missing)}")
    return paragraph

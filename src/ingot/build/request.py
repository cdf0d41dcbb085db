"""What the engine is asked to do and what it answers: the documents between a job and its build process."""

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ingot.build.boot import BootReport
from ingot.build.formats.options import FormatOptions
from ingot.build.formats.registry import FORMATS
from ingot.build.packages.lists import ListsState
from ingot.build.template import Template

#: The engine as a program; it ends with who starts it in `process.bound_environment`.
ENGINE_COMMAND = (sys.executable, "-m", "ingot.build")


class Document(BaseModel):
    """A document that crosses a process boundary as JSON."""

    model_config = ConfigDict(extra="forbid")


class TargetFormat(Document):
    """What restriction rules can ask of the format: all its names, and cloud, container, physical or virtual."""

    names: tuple[str, ...]
    type: str


class BuildRequest(Document):
    """One build, of a template or of a manifest that one was resolved to before.

    `scratch` belongs to this attempt alone: its caller makes it and removes it. With `boot_test`, the finished image
    is booted, and the build fails when units of the machine do. What the provenance says of the build: `image_name` is
    what the finished file will be called, `builder` a URI of who builds and `invocation` one of this build (made up
    when empty). `format` is a name of `ingot.build.formats.registry`; where it holds one disk and the machine has
    several, `one_file` packs them into an archive. `boot_scripts_dir` has the files that the template names; `target`
    is the format as an organisation calls it, where one does.
    """

    template: Template | None = None
    manifest: dict[str, Any] | None = None
    format: str = "qcow2"
    options: FormatOptions = FormatOptions()
    one_file: bool = False
    compress: bool = True
    simulate: bool = False
    boot_test: bool = False
    output: Path
    scratch: Path
    cache: Path
    boot_scripts_dir: Path | None = None
    target: TargetFormat | None = None
    allow_private_sources: bool = True
    image_name: str = "image"
    builder: str = ""
    invocation: str = ""

    @property
    def evidence(self) -> Path:
        """The directory where the build leaves its evidence, however it ends: see `ingot.build.evidence.record`."""
        return self.scratch / "evidence"

    @property
    def target_format(self) -> TargetFormat:
        """The format that bundles may be restricted to."""
        return self.target or TargetFormat(
            names=(self.format,), type=FORMATS[self.format].type if self.format in FORMATS else "virtual"
        )


class InstalledPackage(Document):
    """A package of the finished image. `size` is its installed size in bytes; `level` is the distance from
    the packages the template asked for (0 = asked for, 1 = needed by one of those…)."""

    name: str
    epoch: int | None = None
    version: str
    release: str = ""
    arch: str
    size: int
    level: int = 0
    native: bool = True


class DiskFile(Document):
    """A disk of the machine as a finished file. `size` is the file's, `disk_size` the disk's, in bytes."""

    output: Path
    sha256: str
    size: int
    disk_size: int


class ImageFile(Document):
    """A file of an image that is a directory of files; `size` is bytes."""

    name: str
    sha256: str
    size: int


class BuildResult(Document):
    """A finished build. Sizes are bytes; `timings` are seconds for each stage that had to run; `identity` is the
    SHA-256 of the manifest, and `lists` the state of the package lists that it was resolved against, where they stayed
    the same meanwhile. `output` and what follows it are of the first disk; `more_disks` are the machine's other
    disks, each numbered beside it (disk.qcow2, disk-2.qcow2). An image that is a directory has `files` and no hash.
    `suffix` is how the name of an image in one file ends.
    """

    output: Path | None
    sha256: str | None
    size: int
    installed_size: int
    disk_size: int
    packages: list[InstalledPackage]
    timings: dict[str, float]
    identity: str = ""
    lists: ListsState | None = None
    left_out: list[str] = []
    arch: str = "x86_64"
    boot: BootReport | None = None
    more_disks: list[DiskFile] = []
    files: list[ImageFile] = []
    suffix: str | None = None


class Progress(Document):
    """Where a build is: `stage` is a stable identifier, `message` is for people."""

    stage: str
    percentage: int
    message: str

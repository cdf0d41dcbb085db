"""What every format is: a name, what it is made from, and a function that writes it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

from ingot.build.disk.layout import Identities
from ingot.build.errors import BuildError
from ingot.build.formats.clusters import Look, unknown
from ingot.build.formats.options import FormatOptions, System
from ingot.build.template import Template


@dataclass(frozen=True)
class Source:
    """What an image is written from.

    `disks` are the raw disks; `tree` is the configured tree and `base` the layer of the distribution beneath it, for
    formats that are made from a tree. Everything that a format invents (identifiers, times) comes from `identities`
    and `epoch` (seconds): the same source gives the same bytes. `work` is a directory for what lies between. `number`
    is the first disk's among the machine's. `look` says what is known of a raw disk.
    """

    template: Template
    identities: Identities
    epoch: int
    options: FormatOptions
    work: Path
    log: Path
    disks: tuple[Path, ...] = ()
    tree: Path | None = None
    base: Path | None = None
    compress: bool = True
    number: int = 1
    on_progress: Callable[[float], None] = field(default=lambda _part: None)
    look: Look = unknown

    @property
    def name(self) -> str:
        """The machine's name as part of a file name."""
        text = re.sub(r"[^A-Za-z0-9._+-]+", "-", f"{self.template.name}-{self.template.version}")
        return text.strip("-.") or "image"

    @property
    def disk(self) -> Path:
        """The only disk; raises BuildError when there are several."""
        if len(self.disks) != 1:
            raise BuildError(
                f"This format holds one disk, the machine has {len(self.disks)}. Choose one that holds several: "
                "ovf, vbox, vmware, kvm, vagrant, or raw with compress."
            )
        return self.disks[0]

    @property
    def size(self) -> int:
        """The bytes of all disks."""
        return sum(disk.stat().st_size for disk in self.disks)

    def file_name(self, number: int, suffix: str) -> str:
        """The name of the file of a disk, from 1."""
        return f"{self.name}.{suffix}" if number == 1 else f"{self.name}-{number}.{suffix}"

    def share(self, index: int) -> Callable[[float], None]:
        """Follows the progress of one disk, from 0, as part of that of all."""
        return lambda part: self.on_progress((index + part) / len(self.disks))

    def files(self) -> Path:
        """The tree; only formats that ask for one may."""
        if self.tree is None:
            raise BuildError("This format is made from a tree, and there is none.")
        return self.tree

    def disk_uuid(self, index: int = 0) -> UUID:
        """The identifier of a virtual disk, from 0."""
        return self.identities.uuid(f"virtual disk {self.number + index}")


#: Writes an image; returns the SHA-256 of the file when it knows it.
Writer = Callable[[Source, Path], str | None]
Need = Literal["disks", "tree", "both"]
FormatType = Literal["cloud", "container", "physical", "virtual"]


@dataclass(frozen=True)
class ImageFormat:
    """A format that images can be generated in.

    `suffix` is of a file for download, `plain_suffix` of one that is kept for publishing. `system` says how much of a
    machine the image holds: `machine` boots by itself, `container` has an init and no kernel, `application` neither.
    `tools` names the agents that come in (see `tools.py`). `boot` says how the tests use it.
    """

    name: str
    content: str
    suffix: str
    write: Writer
    boot: str
    plain_suffix: str | None = None
    type: FormatType = "virtual"
    needs: Need = "disks"
    system: System = "machine"
    tools: tuple[str, ...] = ()
    several_disks: bool = False
    several_files: bool = False
    prepare: Callable[[Template, FormatOptions], Template] = field(default=lambda template, _options: template)

    def is_bootable(self, compress: bool) -> bool:
        """Whether a virtual machine can run from the file as it is."""
        return self.file_suffix(compress) in (".raw", ".qcow2")

    def file_suffix(self, compress: bool) -> str:
        """How the name of an image ends, with its dot."""
        return self.suffix if compress or self.plain_suffix is None else self.plain_suffix

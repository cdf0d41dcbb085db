"""What a format is asked for beside the machine itself."""

import json
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: VMware's generations of virtual hardware.
HARDWARE_VERSIONS = (4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)


class VagrantUser(BaseModel):
    """Who `vagrant ssh` logs in as in a box of one's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    public_key: str | None = None


class FormatOptions(BaseModel):
    """Options of formats; each format reads those that mean something to it. `memory` is MB.

    `entrypoint` is the command of a container. `platform_tools` brings in the agents of the platform that the format
    is for. `install` makes an ISO install to the first disk unless somebody chooses otherwise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    memory: int = Field(default=1024, ge=64, le=1 << 24)
    cpus: int = Field(default=1, ge=1, le=512)
    hardware_version: int = 11
    entrypoint: tuple[str, ...] = ()
    vagrant_user: VagrantUser | None = None
    platform_tools: bool = True
    install: bool = False

    @model_validator(mode="after")
    def _known_hardware(self) -> Self:
        if self.hardware_version not in HARDWARE_VERSIONS:
            known = ", ".join(map(str, HARDWARE_VERSIONS))
            raise ValueError(f"there is no hardware version {self.hardware_version}; there are {known}")
        return self


def parse_entrypoint(text: str) -> tuple[str, ...]:
    """A container's command in the exec form, `["program", "argument"]`; raises ValueError for anything else."""
    try:
        words = json.loads(text)
    except ValueError:
        words = None
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise ValueError(
            f'The entrypoint {text!r} is not in the exec form: write a list such as ["/usr/sbin/nginx", "-g", '
            '"daemon off;"].'
        )
    return tuple(words)


System = Literal["machine", "container", "application"]

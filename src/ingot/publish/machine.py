"""Machines that are started from published images."""

from dataclasses import dataclass, field
from typing import Any, Literal

#: `gone` is what nobody knows any more.
MachineState = Literal["starting", "running", "stopped", "failed", "gone"]


#: What a machine can be told to do.
Effector = Literal["start", "stop", "restart"]


@dataclass(frozen=True)
class Wanted:
    """The machine to start: `memory` is MB. `details` are the fields of its type at the cloud."""

    name: str
    cores: int = 1
    memory: int = 1024
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Machine:
    """A machine: `id` is the cloud's name for it, `hostname` a name or address that it answers at, if any; where it
    `has_address`, that comes a while after its start."""

    id: str
    name: str
    state: MachineState
    hostname: str = ""
    provider: str = ""
    message: str = ""
    has_address: bool = True

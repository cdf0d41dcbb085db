"""Where machines can be started from publications."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ingot.messages.image import PublishImage
from ingot.publish.machine import Effector, Machine, Wanted
from ingot.publish.target import PublishError

#: {type of publication: (module, provider)}.
_MODULES = {"PublishImageAws": ("amazon_machines", "aws"), "PublishImageLibvirt": ("libvirt_machines", "libvirt")}


@dataclass(frozen=True)
class Machines:
    """What can be done with the machines of one cloud. Each of them raises PublishError."""

    start: Callable[[Any, Any, Wanted], Machine]
    look: Callable[[Any, Any, str], Machine]
    act: Callable[[Any, Any, str, Effector], Machine]
    terminate: Callable[[Any, Any, str], None]


def provider_of(kind: str) -> str:
    """The cloud where machines are started from publications of a type; raises PublishError where none can be."""
    if kind not in _MODULES:
        raise PublishError(
            f"No machine can be started from a {kind} here: possible are {', '.join(_MODULES)}. Start it with the "
            "cloud's own tools; the publication's cloudId is its image there."
        )
    return _MODULES[kind][1]


def machines_of(image: PublishImage) -> Machines:
    """The functions for the machines of a publication; raises PublishError."""
    provider_of(type(image).__name__)
    module = importlib.import_module(f"ingot.publish.{_MODULES[type(image).__name__][0]}")
    return Machines(module.start, module.look, module.act, module.terminate)

"""Boot scripts of the template and its bundles: one systemd unit each, in order, with their output in the journal."""

import re
from collections.abc import Sequence
from pathlib import Path

from ingot.build.contents import Contents
from ingot.build.errors import BuildError
from ingot.build.template import BootScript
from ingot.build.tree import files

_DIRECTORY = "/usr/lib/ingot/boot-scripts"
_DONE = "/var/lib/ingot/boot-scripts"
_UNIT = """\
[Unit]
Description=Boot script {name} ({frequency})
After=network-online.target {after}
Wants=network-online.target
{condition}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={directory}/{file}
{mark}SyslogIdentifier={identifier}
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""


def set_up_boot_scripts(tree: Path, scripts: Sequence[BootScript], contents: Contents) -> list[str]:
    """Put the scripts in place; returns the names of their units, which have to be enabled.

    First-boot scripts run before every-boot scripts, each kind by order, then name; the failure of one does
    not keep the next from running.
    """
    ordered = sorted(scripts, key=lambda s: (s.frequency != "firstboot", s.order, s.name))
    units: list[str] = []
    for position, script in enumerate(ordered):
        identifier = f"{script.frequency}-{position:02d}-{_slug(script.name)}"
        unit = f"ingot-{identifier}.service"
        first = script.frequency == "firstboot"
        mark = f"ExecStartPost=/bin/mkdir -p {_DONE}\nExecStartPost=/usr/bin/touch {_DONE}/{identifier}\n"
        files.write(tree, f"{_DIRECTORY}/{identifier}", _content(script, contents), mode=0o755)
        content = _UNIT.format(
            name=script.name.replace("%", "%%").replace("\n", " "),
            frequency="first boot" if first else "every boot",
            after=units[-1] if units else "",
            condition=f"ConditionPathExists=!{_DONE}/{identifier}\n" if first else "",
            directory=_DIRECTORY,
            file=identifier,
            mark=mark if first else "",
            identifier=identifier,
        )
        files.write(tree, f"/usr/lib/systemd/system/{unit}", content)
        units.append(unit)
    return units


def _content(script: BootScript, contents: Contents) -> bytes:
    try:
        content = contents.path(script.source).read_bytes()
    except OSError as error:
        raise BuildError(f"Boot script {script.name}: {script.source} cannot be read: {error.strerror}.") from error
    return content if content.startswith(b"#!") else b"#!/bin/sh\n" + content


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "script"

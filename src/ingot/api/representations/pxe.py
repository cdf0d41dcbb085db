"""Menus for iPXE."""

import re
from collections.abc import Sequence

from ingot.api.representations.images import image_uri
from ingot.store import tables

HEADERS = {"content-type": "text/plain; charset=utf-8", "cache-control": "private, no-store"}


def menu(rows: Sequence[tables.Image]) -> bytes:
    """A menu of images. iPXE asks with the login that it has in the address of this script (`…/users/NAME/pxe`), so
    the addresses in it are relative to that.
    """
    lines = ["#!ipxe"]
    if not rows:
        lines += [
            "echo There is no image for starting by network: generate one with the format PXE.",
            "sleep 10",
            "exit",
        ]
        return ("\n".join(lines) + "\n").encode()
    lines.append("menu Ingot: machine images")
    for row in rows:
        title = re.sub(r"[^ -~]", "?", f"{row.name} {row.version}, {row.created:%Y-%m-%d %H:%M}")
        lines.append(f"item image{row.id} {title}")
    lines += ["item exit Start from the disk", "choose target || exit", "goto ${target}"]
    for row in rows:
        path = image_uri(row).split("/", 2)[2]
        lines += [f":image{row.id}", f"chain --replace {path}/files/boot.ipxe || exit"]
    lines += [":exit", "exit"]
    return ("\n".join(lines) + "\n").encode()

"""One small machine that the tests of formats share, and what describes it."""

from pathlib import Path

from ingot.build.disk.layout import Identities
from ingot.build.formats.base import Source
from ingot.build.formats.options import FormatOptions
from ingot.build.template import Template

EPOCH = 1_700_000_000


def small_template(**installation: object) -> Template:
    """A machine that boots quickly."""
    return Template.model_validate(
        {
            "name": "Small & quick",
            "version": "1.0",
            "os": {"name": "Debian", "version": "12"},
            "installation": {"hostname": "small1", **installation},
        }
    )


def source_of(disks: tuple[Path, ...], work: Path, *, options: FormatOptions | None = None, **more: object) -> Source:
    """What formats are written from, in the tests."""
    work.mkdir(exist_ok=True)
    values = {
        "template": small_template(),
        "identities": Identities.of_build("test"),
        "epoch": EPOCH,
        "options": options or FormatOptions(memory=768, cpus=2),
        "work": work,
        "log": work / "log",
        "disks": disks,
        **more,
    }
    return Source(**values)  # type: ignore[arg-type]

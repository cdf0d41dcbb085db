"""Boot scripts of appliances."""

from sqlalchemy.orm import Session

from ingot.services import appliances, quotas
from ingot.services.errors import ConflictError, InvalidError, NotFoundError
from ingot.store.artifacts import StoredArtifact
from ingot.store.base import now
from ingot.store.tables import Appliance, BootScript

#: Bytes; a script beyond this is a program that belongs into a package.
LARGEST = 10 * 1024 * 1024


def find(appliance: Appliance, script_id: int) -> BootScript:
    """A boot script of an appliance."""
    for script in appliance.boot_scripts:
        if script.id == script_id:
            return script
    raise NotFoundError(
        f"Appliance {appliance.name} has no boot script {script_id}.", message_id="ERROR.BOOTSCRIPT.NOT_FOUND"
    )


def create(
    session: Session, appliance: Appliance, *, name: str | None, boot_type: str | None, boot_order: int | None
) -> BootScript:
    """Announce a boot script; its content is uploaded next."""
    script = BootScript(
        name=_free_name(appliance, name, None),
        boot_type=boot_type or "firstboot",
        boot_order=_checked_order(boot_order),
    )
    appliance.boot_scripts.append(script)
    appliances.touch(appliance)
    session.flush()
    return script


def update(
    session: Session,
    appliance: Appliance,
    script: BootScript,
    *,
    name: str | None,
    boot_type: str | None,
    boot_order: int | None,
    md5: str | None,
) -> str | None:
    """Change what is given. Another `md5` than the content's announces another content: it has to be uploaded.

    Returns the hash of the content that is no longer the script's, if so.
    """
    if name is not None:
        script.name = _free_name(appliance, name, script.id)
    if boot_type is not None:
        script.boot_type = boot_type
    if boot_order is not None:
        script.boot_order = _checked_order(boot_order)
    before = script.sha256 if md5 and script.md5 and md5.lower() != script.md5 else None
    if before:
        script.sha256 = script.md5 = script.size = script.uploaded = script.file_name = None
    appliances.touch(appliance)
    session.flush()
    return before


def set_content(
    session: Session, appliance: Appliance, script: BootScript, file_name: str, content: StoredArtifact
) -> str | None:
    """Make stored bytes the script's content; returns the hash of the content before."""
    quotas.require(session, appliance.owner, "diskusage", content.size - (script.size or 0))
    before = script.sha256
    script.file_name, script.uploaded = file_name, now()
    script.sha256, script.md5, script.size = content.sha256, content.md5, content.size
    appliances.touch(appliance)
    session.flush()
    return before


def remove(session: Session, appliance: Appliance, script: BootScript) -> None:
    """Remove a boot script; its content goes with the last thing that refers to it."""
    appliance.boot_scripts.remove(script)
    appliances.touch(appliance)
    session.flush()


def _free_name(appliance: Appliance, name: str | None, own_id: int | None) -> str:
    checked = appliances.checked_text("name of the boot script", name)
    if any(script.name == checked and script.id != own_id for script in appliance.boot_scripts):
        raise ConflictError(
            f"Appliance {appliance.name} already has a boot script {checked}.",
            checked,
            message_id="ERROR.BOOTSCRIPT.EXISTS",
        )
    return checked


def _checked_order(order: int | None) -> int:
    if order is not None and not 0 <= order <= 9999:
        raise InvalidError(f"The boot order {order} is not possible: use a number from 0 to 9999.")
    return order or 0

"""The same image asked for again is answered at once, from the one that was generated before.

An image depends on its template (which has the hashes of its files), its format, the engine, and the package lists.
The first three make its recipe. Whether a build would read the same package lists is seen from the files of the
cache: nobody has to solve anything, and no process is started.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.build import bundles
from ingot.build.cache import entry_key
from ingot.build.manifest import ENGINE
from ingot.build.packages import lists
from ingot.build.packages.lists import ListsState
from ingot.build.request import BuildResult, InstalledPackage
from ingot.build.template import Template
from ingot.settings import Settings
from ingot.store.artifacts import ArtifactStore
from ingot.store.database import ARTIFACT_LOCK, Database
from ingot.store.tables import Attempt, Image, ImagePackage, TargetFormat


@dataclass(frozen=True)
class Shelf:
    """Where finished images are found, and what their use needs."""

    database: Database
    artifacts: ArtifactStore
    settings: Settings
    secret: bytes

    def find(self, session: Session, recipe: str) -> Image | None:
        """The newest finished image of a recipe that a build would make again bit for bit, and whose content is there;
        it stays there until the end of the transaction."""
        query = (
            select(Image)
            .join(Attempt, Image.attempt_id == Attempt.id)
            .where(Image.recipe == recipe, Image.sha256.is_not(None), Attempt.state == "done")
            .order_by(Image.id.desc())
            .limit(1)
        )
        first = session.scalar(query)
        if first is None or not self._is_good(first):
            return None
        known = first.sha256
        # Who removes contents holds the lock too, so the second look counts.
        self.database.exclude_others(session, ARTIFACT_LOCK)
        image = session.scalar(query.execution_options(populate_existing=True))
        if self.artifacts.is_remote and image is not None and image.sha256 == known:
            return image  # what a row refers to is not removed: nobody waits for a bucket twice
        return image if self._is_good(image) else None

    def _is_good(self, image: Image | None) -> bool:
        if image is None or image.lists is None or image.sha256 is None:
            return False
        state = ListsState.model_validate(image.lists)
        is_same = state.holds(self.settings.cache, self.settings.package_lists_max_age)
        return is_same and self.artifacts.contains(image.sha256)


def recipe_of(
    template: Template,
    target_format: TargetFormat,
    options: Mapping[str, Any],
    compress: bool,
    boot_test: bool,
    settings: Settings,
) -> str:
    """The hash of what an image is made from, but for the package lists."""
    return entry_key(
        {
            "engine": ENGINE,
            "template": template.canonical(),
            "format": [target_format.name, target_format.format, target_format.type],
            "options": options,
            "compress": compress,
            "booted": boot_test,
            "sources": lists.configuration(settings),
            # What is fetched anew may be another each time: no other image has this recipe.
            "fetched": secrets.token_hex(16) if bundles.fetches(template.bundles) else None,
        }
    )


def result_of(session: Session, image: Image) -> BuildResult:
    """What the build of a finished image answered; no stage has to run again."""
    query = select(ImagePackage).where(ImagePackage.image_id == image.id).order_by(ImagePackage.id)
    fields = InstalledPackage.model_fields
    return BuildResult(
        output=None,
        sha256=image.sha256,
        size=image.size or 0,
        installed_size=image.installed_size or 0,
        disk_size=image.disk_size or 0,
        packages=[
            InstalledPackage.model_validate({field: getattr(row, field) for field in fields})
            for row in session.scalars(query)
        ],
        timings={},
        lists=ListsState.model_validate(image.lists) if image.lists else None,
    )

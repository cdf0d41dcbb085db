"""The generation of machine images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from ingot.build.request import ENGINE_COMMAND, BuildRequest, BuildResult
from ingot.build.template import Template
from ingot.jobs.job import Job, JobError, Workplace
from ingot.services import bundle_model, evidence, images, stage_timings
from ingot.settings import Settings
from ingot.store.tables import Image


class Generation(Job):
    """Builds an image with the engine."""

    kind: ClassVar[str] = images.JOB

    def slots(self, settings: Settings) -> int:
        """As many as the operator allows."""
        return max(1, settings.parallel_builds)

    def command(self, session: Session, place: Workplace) -> Sequence[str] | None:
        """The engine, with its request in the scratch directory."""
        image = place.subject(session, Image)
        if image is None:
            return None
        file = place.scratch / "request.json"
        file.write_text(_request(image, place).model_dump_json(), encoding="utf-8")
        return [*(place.settings.build_command or ENGINE_COMMAND), "run", str(file)]

    def check(self, place: Workplace, result: dict[str, Any]) -> None:
        """What a build says that it made has to be there."""
        built, output = BuildResult.model_validate(result), place.scratch / "image"
        for file in built.files:
            if not (output / file.name).is_file() or (output / file.name).stat().st_size != file.size:
                raise JobError(f"The engine says that it made {file.name}, but it is not there.")
        if built.sha256 is not None and (not output.is_file() or output.stat().st_size != built.size):
            raise JobError(f"The engine says that it made {built.size} bytes, but they are not there.")
        evidence.prepare(evidence.record_directory(place.scratch), place.settings)

    def contents(self, place: Workplace, result: dict[str, Any]) -> Mapping[str, Path]:
        """The image or its files, and its evidence."""
        built, output = BuildResult.model_validate(result), place.scratch / "image"
        whole = {built.sha256: output} if built.sha256 is not None else {}
        files = {file.sha256: output / file.name for file in built.files}
        return {**whole, **files, **evidence.contents(evidence.record_directory(place.scratch))}

    def keep(self, session: Session, place: Workplace, result: dict[str, Any]) -> set[str]:
        """Enter the image."""
        built, image = BuildResult.model_validate(result), place.required_subject(session, Image)
        evidence.keep(session, image, evidence.record_directory(place.scratch))
        stage_timings.observe(session, built.timings)
        images.complete(session, image, built, place.secret, place.settings.download_key_lifetime)
        return set()

    def salvage(self, place: Workplace) -> None:
        """Save the record of the build."""
        record = evidence.record_directory(place.scratch)
        if record.exists():
            evidence.prepare(record, place.settings)
            record.rename(place.kept)

    def failure_contents(self, place: Workplace) -> Mapping[str, Path]:
        """The record of the build."""
        return evidence.contents(place.kept) if place.kept.exists() else {}

    def keep_failure(self, session: Session, place: Workplace) -> None:
        """Keep the record of the build: its log says why it failed."""
        image = place.subject(session, Image)
        if image is not None and place.kept.exists():
            evidence.keep(session, image, place.kept)


def _request(image: Image, place: Workplace) -> BuildRequest:
    template = Template.model_validate(image.template)
    scripts, work = place.scratch / "boot-scripts", place.scratch / "work"
    for directory in (scripts, work):
        directory.mkdir(exist_ok=True)
    sources = {script.source for script in template.config}
    for source in sources.union(*(bundle_model.sources(bundle) for bundle in template.bundles)):
        place.need(source, scripts / source)
    target = image.target_format
    return BuildRequest.model_validate(
        {
            "template": template,
            "format": image.target_format.format,
            "compress": image.compress,
            "options": image.options,
            "one_file": True,
            "simulate": image.simulated,
            "boot_test": image.boot_test,
            "image_name": images.file_name(image),
            "builder": evidence.builder_id(place.settings),
            "invocation": f"urn:ingot:attempt:{place.attempt.id}:{place.attempt.number}",
            "output": place.scratch / "image",
            "scratch": work,
            "cache": place.settings.cache,
            "boot_scripts_dir": scripts,
            "target": {"names": [target.name, target.format], "type": target.type},
            "allow_private_sources": place.settings.allow_private_sources,
        }
    )

"""A CycloneDX 1.6 document of what is in an image."""

import uuid
from collections.abc import Sequence
from typing import Any

from ingot import __version__
from ingot.build.evidence.component import Component
from ingot.build.manifest import Manifest

_MACHINE = "machine"


def cyclonedx_document(manifest: Manifest, components: Sequence[Component], created: str) -> dict[str, Any]:
    """The document: the machine, its components, and which needs which. The same manifest gives the same."""
    template, system = manifest.template, manifest.distribution
    needed = {key for component in components for key in component.depends}
    references = {component.key: component.purl for component in components}
    files = sorted(manifest.files.items())
    # What nothing else needs is there for the machine itself.
    direct = sorted(component.purl for component in components if component.key not in needed)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, manifest.identity)}",
        "version": 1,
        "metadata": {
            "timestamp": created,
            "tools": {"components": [{"type": "application", "name": "ingot", "version": __version__}]},
            "component": {
                "type": "operating-system",
                "bom-ref": _MACHINE,
                "name": template.name,
                "version": template.version,
                "description": f"A machine with {system.name} {system.version} ({system.arch})",
                "properties": [{"name": "ingot:manifest", "value": manifest.identity}],
            },
        },
        "components": [*(_package(manifest, component) for component in components), *map(_file, files)],
        "dependencies": [
            {"ref": _MACHINE, "dependsOn": [*direct, *(_file_reference(entry) for entry in files)]},
            *(
                {"ref": component.purl, "dependsOn": sorted(references[key] for key in component.depends)}
                for component in components
            ),
        ],
    }


def _package(manifest: Manifest, component: Component) -> dict[str, Any]:
    references = [{"type": "website", "url": component.homepage}] if component.homepage else []
    package: dict[str, Any] = {
        "type": "library" if component.section.endswith("libs") else "application",
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "description": component.summary,
        "purl": component.purl,
        "properties": [
            {"name": "ingot:package:arch", "value": component.arch},
            {"name": "ingot:package:source", "value": f"{component.source} {component.source_version}"},
            {"name": "ingot:package:files", "value": str(component.files)},
        ],
    }
    if component.maintainer:
        package["supplier"] = {"name": component.maintainer}
    if component.licence.expression:
        package["licenses"] = [{"expression": component.licence.expression}]
    if component.file is not None:
        package["hashes"] = [{"alg": "SHA-256", "content": component.file.sha256}]
        references.append({"type": "distribution", "url": manifest.location(component.file)})
    if references:
        package["externalReferences"] = references
    return package


def _file(entry: tuple[str, str]) -> dict[str, Any]:
    """A file of the user's own."""
    name, digest = entry
    return {
        "type": "file",
        "bom-ref": _file_reference(entry),
        "name": name,
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def _file_reference(entry: tuple[str, str]) -> str:
    return f"file:{entry[0]}"

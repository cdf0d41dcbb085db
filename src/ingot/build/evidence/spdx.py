"""An SPDX 2.3 document of what is in an image."""

import hashlib
import re
import uuid
from collections.abc import Sequence
from email.utils import parseaddr
from typing import Any

from ingot import __version__
from ingot.build.evidence.component import Component
from ingot.build.manifest import Manifest

_NOTHING_SAID = "NOASSERTION"
_MACHINE = "SPDXRef-Machine"
_DOCUMENT = "SPDXRef-DOCUMENT"


def spdx_document(manifest: Manifest, components: Sequence[Component], created: str) -> dict[str, Any]:
    """The document: the machine, the packages it contains, and which needs which. The same manifest gives the same."""
    template, system = manifest.template, manifest.distribution
    machine = {
        "SPDXID": _MACHINE,
        "name": template.name,
        "versionInfo": template.version,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "summary": f"A machine with {system.name} {system.version} ({system.arch})",
        **_unsaid(),
    }
    relationships = [(_DOCUMENT, "DESCRIBES", _MACHINE)]
    for component in components:
        relationships.append((_MACHINE, "CONTAINS", _package_id(component.key)))
        relationships += [(_package_id(component.key), "DEPENDS_ON", _package_id(key)) for key in component.depends]
    files = [_file(name, digest) for name, digest in sorted(manifest.files.items())]
    relationships += [(_MACHINE, "CONTAINS", file["SPDXID"]) for file in files]
    texts = dict(text for component in components for text in component.licence.texts)
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": f"{template.name} {template.version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/ingot-{uuid.uuid5(uuid.NAMESPACE_URL, manifest.identity)}",
        "creationInfo": {"created": created, "creators": [f"Tool: ingot-{__version__}"]},
        "packages": [machine, *(_package(manifest, component) for component in components), *files],
        "hasExtractedLicensingInfos": [
            {
                "licenseId": reference,
                "name": reference.removeprefix("LicenseRef-").rpartition("-")[0],
                "extractedText": text,
            }
            for reference, text in sorted(texts.items())
        ],
        "relationships": [
            {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
            for one, kind, other in relationships
        ],
    }


def _package(manifest: Manifest, component: Component) -> dict[str, Any]:
    package = {
        **_unsaid(),
        "SPDXID": _package_id(component.key),
        "name": component.name,
        "versionInfo": component.version,
        "supplier": _person(component.maintainer),
        "summary": component.summary,
        "sourceInfo": f"built from the source package {component.source} {component.source_version}",
        "licenseDeclared": component.licence.expression or _NOTHING_SAID,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": component.purl,
            }
        ],
    }
    if component.homepage:
        package["homepage"] = component.homepage
    if component.file is not None:
        package["downloadLocation"] = manifest.location(component.file)
        package["packageFileName"] = component.file.path.rpartition("/")[2]
        package["checksums"] = [{"algorithm": "SHA256", "checksumValue": component.file.sha256}]
    return package


def _file(name: str, digest: str) -> dict[str, Any]:
    """A file of the user's own."""
    return {
        **_unsaid(),
        "SPDXID": f"SPDXRef-File-{hashlib.sha256(name.encode()).hexdigest()[:16]}",
        "name": name,
        "primaryPackagePurpose": "FILE",
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
    }


def _unsaid() -> dict[str, Any]:
    return {
        "downloadLocation": _NOTHING_SAID,
        "filesAnalyzed": False,
        "licenseConcluded": _NOTHING_SAID,
        "licenseDeclared": _NOTHING_SAID,
        "copyrightText": _NOTHING_SAID,
    }


def _package_id(key: str) -> str:
    # No two names of packages become one by this: ids have no character that stands for another one.
    escaped = re.sub(r"[^A-Za-z0-9.]", lambda match: "-" if match[0] == "-" else f"-{ord(match[0]):x}-", key)
    return f"SPDXRef-Package-{escaped}"


def _person(maintainer: str) -> str:
    name, address = parseaddr(maintainer)
    if not name:
        return _NOTHING_SAID
    kind = "Organization" if re.search(r"(?i)\b(team|maintainers|developers|group|project)\b", name) else "Person"
    return f"{kind}: {name} ({address})" if address else f"{kind}: {name}"

"""Every declared operation is as the facts about the original's API say: `operations.tsv`.

Columns: operation, chapter, method, path, query parameters, needs a login, entitlements, success codes.
"""

import re
from pathlib import Path

import pytest

from ingot.api.chapters import all_operations
from ingot.api.openapi import document
from ingot.api.operation import Operation

FACTS = {
    row[0]: row
    for row in (
        line.split("\t")
        for line in (Path(__file__).parent / "operations.tsv").read_text(encoding="utf-8").splitlines()
    )
}
OPERATIONS = {operation.name: operation for operation in all_operations()}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_is_as_the_facts_say(operation: Operation) -> None:
    _, chapter, method, path, query, login, entitlements, codes = FACTS[operation.name]
    assert operation.chapter == chapter
    assert operation.method == method
    assert re.sub(r"\{\w+", "{", operation.path) == re.sub(r"\{\w+", "{", path)
    assert set(operation.query) == set(_words(query))
    assert operation.authenticated == (login == "yes")
    assert set(operation.entitlements) == set(_words(entitlements))
    assert str(operation.status) in codes.split(",")


def test_each_operation_is_declared_once() -> None:
    assert len(all_operations()) == len(OPERATIONS)


def test_the_main_job_is_complete() -> None:
    wanted = [
        "machineImage_generate",
        "machineImage_get",
        "machineImage_getAll",
        "machineImage_delete",
        "machineImage_deleteAll",
        "machineImage_regenerate",
        "machineImage_download",
        "machineImage_downloadFile",
        "machineImageStatus_get",
        "machineImageStatus_getAll",
        "machineImageGeneration_cancel",
        "machineImagePkg_getAll",
        "uforgeStatus_get",
        "user_get",
        "appliance_create",
        "appliance_get",
        "appliance_getAll",
        "appliance_update",
        "appliance_delete",
        "os_getAll",
        "os_get",
        "osPkg_getAll",
        "osTemplate_getAll",
        "osTemplate_get",
        "applianceOSProfile_create",
        "applianceOSProfile_get",
        "applianceOSProfilePkg_updateAll",
        "installProfile_get",
        "installProfile_update",
        "installProfile_getDeprecated",
        "applianceBootScript_create",
        "applianceBootScript_upload",
        "applianceBootScript_get",
        "applianceBootScript_getAll",
        "applianceBootScript_delete",
        "userTargetFormat_getAll",
    ]
    assert set(wanted) <= set(OPERATIONS)


def test_every_operation_stands_in_the_openapi_document() -> None:
    text = document(list(OPERATIONS.values()), "/api").decode()
    assert all(f'"operationId":"{name}"' in text for name in OPERATIONS)


def _words(text: str) -> list[str]:
    return [] if text == "-" else text.split(",")

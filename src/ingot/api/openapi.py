"""The OpenAPI document and the page that shows it, both made from the declared operations."""

import html
import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from ingot import __version__
from ingot.api.negotiation import JSON, XML
from ingot.api.operation import Operation, schema_of


def document(operations: Sequence[Operation], base: str) -> bytes:
    """The OpenAPI document as JSON."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = base + re.sub(r"{(\w+):path}", r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _entry(operation)
    types = {message for operation in operations for message in (operation.body, operation.answer) if message}
    ordered = sorted(types, key=lambda message: message.__name__)
    _, schemas = models_json_schema(
        [(message, "validation") for message in ordered], ref_template="#/components/schemas/{model}"
    )
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Ingot", "version": __version__},
            "paths": paths,
            "components": {
                "schemas": schemas.get("$defs", {}),
                "securitySchemes": {
                    "basic": {"type": "http", "scheme": "basic"},
                    "apiKey": {"type": "apiKey", "in": "query", "name": "apiKey"},
                    "signature": {"type": "apiKey", "in": "query", "name": "signature"},
                },
            },
        },
        separators=(",", ":"),
    ).encode()


def _entry(operation: Operation) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)", operation.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": {"type": "string"}} for name in operation.query]
    both = {media: {"schema": schema_of(operation.answer)} for media in (XML, JSON)} if operation.answer else {}
    entry: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.chapter],
        "summary": (operation.handler.__doc__ or "").partition("\n")[0],
        "parameters": parameters,
        "responses": {str(operation.status): {"description": "Done", **({"content": both} if both else {})}},
        "security": [{"basic": []}, {"apiKey": [], "signature": []}] if operation.authenticated else [],
    }
    if operation.body:
        entry["requestBody"] = {"content": {media: {"schema": schema_of(operation.body)} for media in (XML, JSON)}}
    return entry


def page(operations: Sequence[Operation]) -> bytes:
    """A page that lists all operations, for people."""
    rows = "".join(
        f"<tr><td>{operation.chapter}</td><td>{operation.name}</td><td>{operation.method}</td>"
        f"<td>{html.escape(operation.path)}</td><td>{', '.join(operation.entitlements)}</td>"
        f"<td>{html.escape((operation.handler.__doc__ or '').partition(chr(10))[0])}</td></tr>"
        for operation in operations
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Ingot API</title><h1>Ingot API</h1>"
        "<p>The machine-readable form is <a href=/openapi.json>openapi.json</a>.</p><table><thead><tr><th>Chapter"
        "<th>Operation<th>Method<th>Path<th>Entitlement<th>What it does</tr></thead>"
        f"<tbody>{rows}</tbody></table></html>"
    ).encode()

"""`ingot manifest`: what a build of a template is made from."""

import json
from pathlib import Path

from ingot.build.contents import Contents
from ingot.build.errors import BuildError
from ingot.build.formats.registry import find_format
from ingot.build.manifest import make_manifest
from ingot.build.template_file import load_template
from ingot.cli.output import NOT_FOUND, console, errors, fail


def manifest(template_file: Path, format_name: str, cache_dir: Path) -> None:
    """Resolve a template against the distribution's current packages and print the manifest as JSON."""
    if not template_file.exists():
        fail(f"There is no template {template_file}.", code=NOT_FOUND)
    try:
        template = load_template(template_file)
        with errors.status("Checking dependencies"):
            cache, contents_dir = cache_dir.expanduser().absolute(), template_file.absolute().parent
            contents = Contents(contents_dir, cache)
            resolved = make_manifest(template, cache, contents, format_=find_format(format_name))
    except BuildError as error:
        fail(error.message, detail=error.detail)
    document = json.dumps(resolved.document(), sort_keys=True, indent=1, ensure_ascii=True)
    console.print(document, markup=False, soft_wrap=True)

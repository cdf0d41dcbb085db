"""`ingot build`: from a template file to a disk image, with no server at all."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ingot.build.disk.files import numbered
from ingot.build.errors import BuildError
from ingot.build.evidence.record import LOGS, move
from ingot.build.formats.base import ImageFormat
from ingot.build.formats.options import FormatOptions, parse_entrypoint
from ingot.build.formats.registry import find_format, format_of_file, suffixes
from ingot.build.request import ENGINE_COMMAND, BuildRequest, BuildResult
from ingot.build.template_file import load_template
from ingot.cli.output import NOT_FOUND, WRONG_USE, console, fail, say
from ingot.process import bound_environment


def build(
    template_file: Path | None,
    output: Path,
    *,
    manifest_file: Path | None,
    format_name: str | None,
    cache_dir: Path,
    boot_test: bool,
    options: FormatOptions,
    evidence_dir: Path | None,
    output_json: bool,
) -> None:
    """Build, follow the progress, and say what came of it."""
    source = manifest_file or template_file
    if source is None or (manifest_file and template_file):
        fail("Name either a template or, with --manifest, a manifest.", code=WRONG_USE)
    if not source.exists():
        fail(f"There is no file {source}.", code=NOT_FOUND)
    chosen, compress = _format(output, format_name)
    if not output.absolute().parent.is_dir():
        fail(f"The directory {output.absolute().parent} does not exist.", code=NOT_FOUND)
    try:
        template = load_template(source) if manifest_file is None else None
        manifest = _read_manifest(source) if manifest_file is not None else None
    except BuildError as error:
        fail(error.message)
    evidence = evidence_dir or output.with_name(f"{output.name}.evidence")
    # Beside the output: the finished image is then moved into its place, never copied.
    scratch = Path(tempfile.mkdtemp(prefix=".ingot-build-", dir=output.absolute().parent))
    try:
        request = BuildRequest(
            template=template,
            manifest=manifest,
            format=chosen.name,
            compress=compress,
            options=options,
            boot_test=boot_test,
            output=scratch / "image",
            scratch=scratch,
            cache=cache_dir.expanduser().absolute(),
            boot_scripts_dir=source.absolute().parent,
            image_name=output.name,
        )
        result = _run_engine(request, quiet=output_json)
        for number in range(len(result.more_disks) + 1, 0, -1):
            # The first comes last: where it is, the others are.
            numbered(request.output, number).rename(numbered(output, number))
        _keep_evidence(request, evidence)
    except BuildError as error:
        if _keep_evidence(request, evidence):
            say(f"The log of each stage is in {evidence / LOGS}.")
        fail(error.message, detail=error.detail)
    finally:
        _remove(scratch)
    if output_json:
        document = result.model_dump(mode="json")
        for number, disk in enumerate([document, *document["more_disks"]], 1):
            disk["output"] = str(numbered(output, number))
        console.print_json(data=document)
        return
    _summarize(output, result, evidence)


def format_options(*, entrypoint: str | None, **values: Any) -> FormatOptions:
    """The options of a format as the command line has them; what is impossible ends the command."""
    try:
        return FormatOptions(entrypoint=parse_entrypoint(entrypoint) if entrypoint else (), **values)
    except ValidationError as error:
        fail("; ".join(str(problem["ctx"]["error"]) for problem in error.errors() if "ctx" in problem), code=WRONG_USE)
    except ValueError as error:
        fail(str(error), code=WRONG_USE)


def _keep_evidence(request: BuildRequest, target: Path) -> bool:
    try:
        return move(request.evidence, target)
    except OSError as error:
        fail(f"The evidence of the build cannot be kept in {target}: {error.strerror}. Choose another: --evidence DIR")


def _read_manifest(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, ValueError) as error:
        raise BuildError(f"{file} is no manifest: {error}. `ingot manifest TEMPLATE` writes one.") from error
    if not isinstance(document, dict):
        raise BuildError(f"{file} is no manifest. `ingot manifest TEMPLATE` writes one.")
    return document


def _format(output: Path, name: str | None) -> tuple[ImageFormat, bool]:
    """(format, whether compressed) of an output: by its name, or the one asked for."""
    found = format_of_file(output.name)
    if name is None:
        if found is None:
            words = (
                f"No format follows from {output.name}: end the name with {', '.join(suffixes())}, or use --format."
            )
            fail(words, code=WRONG_USE)
        return found
    try:
        chosen = find_format(name)
    except BuildError as error:
        fail(error.message, code=WRONG_USE)
    plain = chosen.plain_suffix is not None and output.name.lower().endswith((chosen.plain_suffix, ".img"))
    return chosen, not plain


def _run_engine(request: BuildRequest, *, quiet: bool) -> BuildResult:
    """Run the engine in a process of its own; Ctrl-C ends it with everything it started."""
    file = request.scratch / "request.json"
    file.write_text(request.model_dump_json(), encoding="utf-8")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    process = subprocess.Popen(
        [*ENGINE_COMMAND, "run", str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=bound_environment(),
        text=True,
    )
    last: dict[str, Any] = {}
    try:
        with Progress(*columns, TimeElapsedColumn(), console=console, disable=quiet, transient=True) as progress:
            task = progress.add_task("Starting", total=100)
            for line in process.stdout or ():
                document = json.loads(line)
                if "stage" in document:
                    progress.update(task, completed=document["percentage"], description=document["message"])
                else:
                    last = document
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        _remove(request.scratch)
        fail("Stopped. Nothing is left behind.")
    if process.wait() != 0 or "result" not in last:
        words = last.get("error", f"The engine ended with status {process.returncode}.")
        raise BuildError(words, str(last.get("detail", "")))
    return BuildResult.model_validate(last["result"])


def _remove(scratch: Path) -> None:
    """Remove the scratch directory, which may hold files of subordinate users."""
    try:
        shutil.rmtree(scratch)
    except FileNotFoundError:
        pass
    except OSError:
        subprocess.run([*ENGINE_COMMAND, "remove", str(scratch)], check=False, capture_output=True)


def _summarize(output: Path, result: BuildResult, evidence: Path) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("Image", str(output))
    table.add_row("Size", f"{result.size >> 20} MiB, a disk of {result.disk_size >> 20} MiB")
    table.add_row("SHA-256", result.sha256 or "")
    for number, disk in enumerate(result.more_disks, 2):
        table.add_row(f"Disk {number}", str(numbered(output, number)))
        table.add_row("Size", f"{disk.size >> 20} MiB, a disk of {disk.disk_size >> 20} MiB")
        table.add_row("SHA-256", disk.sha256)
    table.add_row("Packages", str(len(result.packages)))
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result.timings.items())
    table.add_row("Time", f"{sum(result.timings.values()):.1f} s: {stages}")
    table.add_row("Evidence", str(evidence))
    if result.boot:
        table.add_row("Boot test", f"booted in {result.boot.seconds:.0f} s, no failed units")
    console.print(table)

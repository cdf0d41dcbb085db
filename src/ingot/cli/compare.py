"""`ingot compare`: where two images differ."""

from pathlib import Path

import typer

from ingot.cli.engine import ask_engine
from ingot.cli.output import FAILED, NOT_FOUND, Output, console, errors, fail, print_json, say


def compare(first: Path, second: Path, output: Output) -> None:
    """Print the differences, a line each; ends with 1 when there are any."""
    for file in (first, second):
        if not file.is_file():
            fail(f"There is no file {file}.", code=NOT_FOUND)
    with errors.status("Comparing"):
        documents = ask_engine("compare", str(first.absolute()), str(second.absolute()))
        found = [str(document["difference"]) for document in documents]
    if output is Output.JSON:
        print_json({"differences": found})
    elif not found:
        say("They are the same, byte for byte.")
    else:
        for line in found:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if found:
        raise typer.Exit(FAILED)

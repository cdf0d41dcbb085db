"""Compare the declared operations with the facts about the original's: `tests/api/operations.tsv`."""

import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ingot.api.chapters import all_operations

_FACTS = Path(__file__).parent.parent / "tests/api/operations.tsv"


def main(arguments: list[str]) -> int:
    """Print the report; `--missing` names what is missing."""
    rows = [line.split("\t") for line in _FACTS.read_text(encoding="utf-8").splitlines()]
    chapters = {row[0]: row[1] for row in rows}
    declared = {operation.name for operation in all_operations()}
    total, done = Counter(chapters.values()), Counter(chapters[name] for name in declared if name in chapters)
    table = Table(box=None, pad_edge=False)
    for title in ("Chapter", "Implemented", "Missing", "Of"):
        table.add_column(title, justify="left" if title == "Chapter" else "right")
    for chapter in sorted(total, key=lambda name: (-done[name], name)):
        table.add_row(chapter, str(done[chapter]), str(total[chapter] - done[chapter]), str(total[chapter]))
    table.add_row("[bold]all[/]", str(done.total()), str(total.total() - done.total()), str(total.total()))
    console = Console()
    console.print(table)
    if "--missing" in arguments:
        for name in sorted(set(chapters) - declared):
            console.print(f"{chapters[name]}: {name}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

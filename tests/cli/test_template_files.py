"""`ingot template validate` and `init`, which need no server."""

import json
from pathlib import Path

import pytest

from ingot.build.template_file import load_template
from tests.serving import Command


@pytest.fixture
def ingot(tmp_path: Path) -> Command:
    return Command(tmp_path, None)


def test_the_example_is_a_template_and_is_never_overwritten(ingot: Command) -> None:
    assert "ingot build template.yml" in ingot("template", "init")
    template = load_template(ingot.home / "template.yml")
    assert (template.name, template.installation.users[0].sudo) == ("web", 2)
    assert "is a template of web 1.0" in ingot("template", "validate", "template.yml")
    assert json.loads(ingot("template", "validate", "template.yml", "--output", "json")) == []
    (ingot.home / "template.yml").write_text("mine")
    assert "is there already" in ingot("template", "init", code=4)
    assert (ingot.home / "template.yml").read_text() == "mine"


def test_every_mistake_is_told_for_people_and_programs(ingot: Command) -> None:
    text = 'stack:\n  name: web\n  version: "1.0"\n  os:\n    name: Debian\n    version: "12"\n    profle: Minimal\n'
    text += "  installation:\n    timezone: Paris\n"
    (ingot.home / "bad.yml").write_text(text)
    said = ingot("template", "validate", "bad.yml", code=1)
    assert "bad.yml has 2 mistakes" in said
    assert "  line 7, column 5: stack.os.profle: is not known; did you mean profile" in said
    assert (
        "  line 9, column 5: stack.installation.timezone: 'Paris': is no time zone; did you mean Europe/Paris?" in said
    )
    with ingot.start("template", "validate", "bad.yml", "--output", "json") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    mistakes = json.loads(output)
    assert [(mistake["line"], mistake["path"]) for mistake in mistakes] == [
        (7, "stack.os.profle"),
        (9, "stack.installation.timezone"),
    ]
    ingot("template", "validate", "none.yml", code=3)

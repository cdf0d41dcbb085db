"""Template files: what they may say, and how mistakes are named."""

from pathlib import Path

import pytest

from ingot.build.errors import BuildError
from ingot.build.template_file import TemplateFileError, parse_template

_FILE = Path("template.yml")
_GOOD = """\
stack:
  name: web
  version: 1.0
  os: {name: Debian, version: 12, pkgs: [{name: nginx}]}
"""


def test_versions_are_text_as_they_are_written() -> None:
    template = parse_template(_GOOD.encode(), _FILE)
    assert (template.version, template.os.version) == ("1.0", "12")


def test_json_is_the_same_as_yaml() -> None:
    system = b'{"name": "Debian", "version": "12", "pkgs": [{"name": "nginx"}]}'
    text = b'{"stack": {"name": "web", "version": "1.0", "os": %s}, "builders": null}' % system
    assert parse_template(text, _FILE) == parse_template(_GOOD.encode(), _FILE)


def test_old_spellings_are_understood() -> None:
    text = _GOOD + "  installation:\n    displayLicense: 'false'\n    diskSize: '5000'\n    kernelParams: rhgb quiet\n"
    text = text.replace("[{name: nginx}]", "{name: nginx, version: '1', revision: '2'}")
    template = parse_template(text.encode(), _FILE)
    assert template.installation.disk_size == 5000
    assert template.installation.display_licenses is False
    assert template.installation.kernel_params == ("rhgb", "quiet")
    assert template.os.pkgs[0].release == "2"


def test_every_mistake_is_named_in_one_go_with_its_place() -> None:
    text = """\
stack:
  name: web
  os:
    name: Debian
    vrsion: "12"
    pkgs:
      - nam: nginx
  installation:
    diskSize: big
    diskSize: 3
    users:
      - {name: a, sudo: 7}
builder: []
"""
    with pytest.raises(TemplateFileError) as error:
        parse_template(text.encode(), _FILE)
    found = {(mistake.line, mistake.path): mistake.message for mistake in error.value.mistakes}
    assert "did you mean version" in found[5, "stack.os.vrsion"]
    assert "did you mean name" in found[7, "stack.os.pkgs[0].nam"]
    assert found[9, "stack.installation.diskSize"].startswith("'big': ")
    assert found[10, "stack.installation.diskSize"] == "is there twice"
    assert found[12, "stack.installation.users[0].sudo"].startswith("7: ")
    assert "did you mean builders" in found[13, "builder"]
    assert found[1, "stack.version"] == "is missing"
    assert found[3, "stack.os.version"] == "is missing"
    assert [mistake.line for mistake in error.value.mistakes] == sorted(m.line for m in error.value.mistakes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no `stack` section"),
        ("- a\n- b\n", "no `stack` section"),
        ("stack: [", "line 2"),
        ("stack: {name: a\n", "line 2"),
        ("a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(f"k{n}: *b\n" for n in range(200)), "aliases"),
        ("x" * 5_000_000, "at most"),
        ("stack: !!python/object/apply:os.system ['true']\n", "no `stack` section"),
    ],
)
def test_what_is_no_template_says_why(text: str, words: str) -> None:
    with pytest.raises(BuildError, match=words):
        parse_template(text.encode(), _FILE)


def test_a_number_may_be_nought_and_its_choices_are_named() -> None:
    system = "os: {name: Debian, version: 12}"
    text = f"stack: {{name: a, version: 0, {system}, installation: {{groups: [{{name: g, sudo: %s}}]}}}}"
    template = parse_template((text % "0").encode(), Path("t.yml"))
    assert (template.version, template.installation.groups[0].sudo) == ("0", 0)
    with pytest.raises(TemplateFileError, match="there are 0, 1, 2"):
        parse_template((text % "'7'").encode(), Path("t.yml"))

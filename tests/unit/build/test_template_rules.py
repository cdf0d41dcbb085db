"""What cannot be built is told with the mistakes of form, each with its place and what may have been meant."""

from pathlib import Path

import pytest

from ingot.build.template_file import TemplateFileError, load_template

_GOOD = """\
stack:
  name: web
  version: "1.0"
  os: {name: debian, version: 12, profile: minimal, pkgs: [{name: nginx}, {name: nginx, arch: i386}]}
  installation:
    timezone: Europe/London
    keyboard: uk
    hostname: web.example
    users: [{name: admin}]
    groups: [{name: admin}]
  config:
    - {name: setup, source: files/setup.sh, type: bootscript, frequency: firstboot}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/setup.sh").touch()
    return tmp_path / "template.yml"


def _mistakes(file: Path, text: str) -> dict[str, str]:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TemplateFileError) as error:
        load_template(file)
    return {mistake.path: mistake.message for mistake in error.value.mistakes}


def test_what_can_be_built_has_no_mistakes(file: Path) -> None:
    file.write_text(_GOOD, encoding="utf-8")
    assert load_template(file).os.profile == "minimal"


@pytest.mark.parametrize(
    ("right", "wrong", "path", "words"),
    [
        ("name: debian", "name: Debain", "stack.os.name", "'Debain': cannot be built; did you mean Debian?"),
        ("version: 12", "version: 11", "stack.os.version", "11: cannot be built; there are 12, 13"),
        ("version: 12", "version: 12, arch: x86-64", "stack.os.arch", "did you mean x86_64?"),
        ("minimal", "Minimla", "stack.os.profile", "'Minimla': is no profile; did you mean Minimal?"),
        ("Europe/London", "london", "stack.installation.timezone", "did you mean Europe/London?"),
        ("Europe/London", "New York", "stack.installation.timezone", "did you mean America/New_York?"),
        ("Europe/London", "Europe/Lodnon", "stack.installation.timezone", "did you mean Europe/London"),
        ("Europe/London", "Nowhere", "stack.installation.timezone", "is no time zone"),
        ("keyboard: uk", "keyboard: us-acento", "stack.installation.keyboard", "did you mean us-acentos"),
        ("web.example", "-web-", "stack.installation.hostname", "is no host name"),
        (
            "[{name: admin}]\n    g",
            "[{name: a}, {name: a}]\n    g",
            "stack.installation.users[1].name",
            "is there twice",
        ),
        (
            "groups: [{name: admin}]",
            "groups: [{name: Ad min}]",
            "stack.installation.groups[0].name",
            "cannot be the name",
        ),
        (", arch: i386", "", "stack.os.pkgs[1].name", "'nginx': is asked for twice"),
        ("files/setup.sh", "files/setpu.sh", "stack.config[0].source", "did you mean files/setup.sh?"),
        ("files/setup.sh", "nowhere/at/all", "stack.config[0].source", "there is no such file"),
        ("files/setup.sh", "../setup.sh", "stack.config[0].source", "outside the template's directory"),
        ("files/setup.sh", "/etc/passwd", "stack.config[0].source", "outside the template's directory"),
        (
            "users: [{name: admin}]",
            "users: [{name: admin, sshKeys: [{name: k, publicKey: ssh-rsa AAAA}]}]",
            "stack.installation.users[0].sshKeys[0].publicKey",
            "(ssh-rsa AAAA…) is no public key",
        ),
        (
            "hostname:",
            "rootUser: {sshKeys: [{name: k, publicKey: '-----BEGIN OPENSSH PRIVATE KEY-----'}]}\n    hostname:",
            "stack.installation.rootUser.sshKeys[0].publicKey",
            "is a private key: give the one in the .pub file",
        ),
        ("firstboot", "fristboot", "stack.config[0].frequency", "did you mean firstboot"),
    ],
)
def test_what_cannot_be_built_is_named(file: Path, right: str, wrong: str, path: str, words: str) -> None:
    assert right in _GOOD
    mistakes = _mistakes(file, _GOOD.replace(right, wrong))
    assert list(mistakes) == [path]
    assert words in mistakes[path]


def test_it_is_told_in_one_go_with_mistakes_of_form(file: Path) -> None:
    text = _GOOD.replace("minimal", "maximal").replace("keyboard:", "keybord:").replace("[{name: admin}]", "7")
    mistakes = _mistakes(file, text)
    assert set(mistakes) == {
        "stack.os.profile",
        "stack.installation.keybord",
        "stack.installation.users",
        "stack.installation.groups",
    }


@pytest.mark.parametrize("text", ["stack: {os: 3}", "stack: {os: [], installation: x, config: {a: b}}", "stack: {}"])
def test_other_shapes_are_mistakes_of_form_alone(file: Path, text: str) -> None:
    assert "stack.name" in _mistakes(file, text)

"""What template files say of bundles that cannot be built, told in one go."""

from pathlib import Path

import pytest

from ingot.build.template_file import TemplateFileError, load_template

_HEAD = 'stack:\n  name: web\n  version: "1"\n  os: {name: Debian, version: "12"}\n  bundles:\n'


def _mistakes(directory: Path, bundles: str) -> list[str]:
    (directory / "template.yml").write_text(_HEAD + bundles)
    (directory / "run.sh").write_text("true\n")
    (directory / "site").mkdir(exist_ok=True)
    with pytest.raises(TemplateFileError) as error:
        load_template(directory / "template.yml")
    return [f"{mistake.path}: {mistake.message}" for mistake in error.value.mistakes]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{name: a/b, source: run.sh}", "files[0].name: 'a/b': is no file name"),
        ("{name: a, source: rin.sh}", "files[0].source: 'rin.sh': there is no such file; did you mean run.sh?"),
        ("{name: a, source: ../x}", "files[0].source: '../x': lies outside"),
        ("{name: a, source: ftp://h/x}", "use an http or https address"),
        ("{name: a}", "files[0].source: is missing"),
        ("{name: a, source: run.sh, rights: rwx}", "files[0].rights: 'rwx'"),
        ("{name: a, source: run.sh, rights: '0999'}", "files[0].rights: '0999'"),
        ("{name: a, source: run.sh, destination: /proc/x}", "is there only while the machine runs"),
        ("{name: a, source: run.sh, destination: a/../../b}", "has '..'"),
        ("{name: a, source: run.sh, bootOrder: 1}", "files[0].bootOrder: has no meaning for a softwarefile"),
        ("{name: a, source: run.sh, tag: bootscript, rights: 644}", "rights: has no meaning for a bootscript"),
        ("{name: a, source: run.sh, tag: bootscript, bootType: never}", "files[0].bootType: 'never': is not possible"),
        ("{name: a, source: site, tag: bootscript}", "there is no such file"),
        ("{name: a, source: run.sh, sha256sum: abc}", "is no SHA256; it has 64 digits"),
        ("{name: a, source: site, extract: true, files: []}", "files[0].extract: is for archives"),
        (
            "{name: d, source: site, files: [{name: p, tag: ospkg}]}",
            "files[0].files[0].tag: 'ospkg': is possible only",
        ),
        ("{name: a, source: run.sh, right: 644}", "files[0].right: is not known; did you mean rights"),
        ("{name: a, source: run.sh}, {name: a, source: run.sh}", "files[1].name: 'a': is there twice"),
    ],
)
def test_wrong_files_are_told(tmp_path: Path, entry: str, words: str) -> None:
    (mistake,) = _mistakes(tmp_path, f"    - {{name: b, version: 1, files: [{entry}]}}\n")
    assert words in mistake


def test_wrong_bundles_are_told_together(tmp_path: Path) -> None:
    bundle = "    - {name: b, version: 1, destination: opt, restrictionRule: 'Distribution#nam=x', files: []"
    mistakes = _mistakes(tmp_path, f"{bundle}, license: {{name: L, source: no.txt}}}}\n{bundle}}}\n")
    assert len(mistakes) == 6
    text = "\n".join(mistakes)
    for words in (
        "destination: 'opt': is no absolute path",
        "restrictionRule: The restriction rule has Distribution#nam",
        "license: 'no.txt': there is no such file",
        "bundles[1].name: 'b': this version of it is there twice",
    ):
        assert words in text


def test_what_old_files_say_is_understood(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("true\n")
    (tmp_path / "template.yml").write_text(
        f"{_HEAD}    - name: b\n      version: 1.10\n      sourceLogo: run.sh\n      oses: [{{name: Debian}}]\n"
        "      files:\n        - {name: s, source: run.sh, tag: bootscript, bootOrder: '3', bootType: firstboot}\n"
        "        - {name: f, source: run.sh, rights: 0644, extract: 'false', params: ''}\n"
        "        - {name: r, source: https://example.org/app.tar.gz, extract: true}\n"
    )
    (bundle,) = load_template(tmp_path / "template.yml").bundles
    assert (bundle.version, bundle.source_logo) == ("1.10", "run.sh")
    script, file, remote = bundle.files
    assert (script.boot_order, file.rights, file.extract, remote.extract) == (3, "0644", False, True)

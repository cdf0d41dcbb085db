"""What the documentation says is so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingot.build import restriction
from ingot.build.template_file import load_template, parse_bundle

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/docs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("file", sorted(ROOT.glob("examples/*/template.*")), ids=lambda file: file.parent.name)
def test_an_example_is_a_template_with_its_files(file: Path) -> None:
    template = load_template(file)
    for script in template.config:
        assert (file.parent / script.source).is_file()


def test_the_tutorial_shows_what_a_mistake_really_says(tmp_path: Path) -> None:
    """The transcript in the tutorial, run again."""
    text = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    shown = re.search(r"    \$ ingot template validate template.yml\n((?:    .*\n)+)", text)
    assert shown
    bad = 'stack:\n  name: web\n  version: "1.0"\n  os:\n    name: Debian\n    vrsion: "12"\n    version: "12"\n'
    (tmp_path / "template.yml").write_text(bad, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ingot", "template", "validate", "template.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.split() == shown[1].split()


def test_the_guide_of_bundles_shows_a_bundle() -> None:
    text = (ROOT / "docs/how-to/bring-your-own-software.md").read_text(encoding="utf-8")
    shown = re.search(r"(?:^ {4}.*\n)+", text, flags=re.MULTILINE)
    rule = re.search(r"^ {4}(restrictionRule: .*\n)", text, flags=re.MULTILINE)
    assert shown
    assert rule
    bundle = parse_bundle((re.sub("^    ", "", shown[0], flags=re.MULTILINE) + rule[1]).encode(), Path("bundle.yml"))
    assert next(entry.name for entry in bundle.files if entry.tag == "softwarefile") == "shop.conf"
    assert restriction.parse(bundle.restriction_rule).asks_for("TargetFormat")


def test_no_picture_needs_the_network() -> None:
    for picture in ROOT.glob("docs/images/*.svg"):
        links = re.findall(r"https?://[^\s\"')]+", picture.read_text(encoding="utf-8"))
        assert [link for link in links if "www.w3.org" not in link and "127.0.0.1" not in link] == []

"""What the documentation says is so."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ingot.build import restriction
from ingot.build.cache import Cache, Kind, entry_key
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


def _write(place: Path) -> None:
    (place / "file").write_bytes(b"content")


def test_the_guide_of_the_cache_shows_what_its_commands_print(tmp_path: Path) -> None:
    """The transcripts, run again over entries of those titles; how much they take differs."""
    cache = Cache(tmp_path)
    packages = ["bash 5.2.15-2+b8 1111", "dpkg 1.21.22 2222", "linux-image-amd64 6.1.158-1 3333"]
    old = {
        "engine": 9,
        "distribution": "Debian 12 amd64",
        "epoch": 1767225600,
        "parent": None,
        "packages": packages,
    }
    new = {**old, "epoch": 1769904000, "packages": [*packages[:2], "linux-image-amd64 6.1.162-1 4444"]}
    more = {**new, "parent": entry_key(new), "packages": ["nginx 1.22.1-9 5555"]}
    entries: list[tuple[Kind, str, dict[str, object]]] = [
        ("trees", "Debian 12 Minimal", old),
        ("trees", "Debian 12 Minimal", new),
        ("trees", "Debian 12 Minimal + nginx", more),
        ("disks", "web 1.0", {"template": 1}),
        ("clusters", "Debian 12 Minimal", {"base": entry_key(new)}),
    ]
    for number, (kind, title, description) in enumerate(entries):
        with cache.entry(kind, title, description, _write):
            pass
        used = 1769990400 + 60 * number
        os.utime(tmp_path / kind / entry_key(description), (used, used))
    text = (ROOT / "docs/how-to/make-builds-fast.md").read_text(encoding="utf-8")
    shown = re.findall(r"^    \$ ingot (.*)\n((?:    .*\n)+)", text, flags=re.MULTILINE)
    assert [command.split()[1] for command, _ in shown] == ["list", "why"]
    for command, output in shown:
        argv = [sys.executable, "-m", "ingot", *command.split(), "--cache-dir", tmp_path]
        printed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        sizes = r"\d+(?=  2026-)"
        assert re.sub(sizes, "", printed).split() == re.sub(sizes, "", output).split()


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

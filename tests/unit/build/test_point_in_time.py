"""Packages as they were at a moment: which versions are chosen, and what is said when nobody knows.

The package lists are a small distribution's, laid out as apt has them after fetching; apt itself reads and solves.
"""

import datetime as dt
import email.utils
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ingot.build.distributions import find_distribution
from ingot.build.errors import BuildError
from ingot.build.packages import lists
from ingot.build.packages.apt_history import History
from ingot.build.packages.apt_repository import AptRepository
from ingot.build.template import OperatingSystem, Package

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt is not installed")
_MAIN = "bookworm"


def _day(number: int, hour: int = 0) -> dt.datetime:
    return dt.datetime(2026, 3, number, hour, tzinfo=dt.UTC)


def _paragraph(name: str, version: str, depends: str = "") -> str:
    fields = {
        "Package": name,
        "Version": version,
        "Architecture": "amd64",
        "Essential": "yes" if name == "base" else "",
        "Maintainer": "Somebody <somebody@example.org>",
        "Depends": depends,
        "Filename": f"pool/{name}_{version.rpartition(':')[2]}_amd64.deb",
        "Size": "1000",
        "SHA256": hashlib.sha256(f"{name} {version}".encode()).hexdigest(),
        "Description": name,
    }
    return "".join(f"{field}: {value}\n" for field, value in fields.items() if value)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AptRepository:
    keyring = tmp_path / "keys.gpg"
    keyring.touch()
    monkeypatch.setenv("INGOT_KEYRINGS", f'{{"debian": "{keyring}"}}')
    mirrors = '{"debian": "http://mirror.invalid/debian", "debian-security": "http://mirror.invalid/security"}'
    monkeypatch.setenv("INGOT_MIRRORS", mirrors)
    return AptRepository(find_distribution("Debian", "12", "x86_64"), tmp_path / "cache")


@pytest.fixture
def publish(repository: AptRepository) -> Callable[..., None]:
    """Have the mirror publish a suite, and the lists fetched."""
    contents: dict[str, tuple[dt.datetime, list[str]]] = {source.suite: (_day(1), []) for source in repository.sources}

    def at(date: dt.datetime, *paragraphs: str, suite: str = _MAIN) -> None:
        contents[suite] = (date, list(paragraphs))
        directory = repository.root / "lists"
        shutil.rmtree(directory, ignore_errors=True)
        repository._configure()
        for source in repository.sources:
            published, packages = contents[source.suite]
            prefix = source.uri.removeprefix("http://").replace("/", "_")
            release = f"Origin: Debian\nSuite: {source.suite}\nCodename: {source.suite}\n"
            release += f"Date: {email.utils.format_datetime(published, usegmt=True).replace('GMT', 'UTC')}\n"
            release += "Architectures: amd64\nComponents: main\n"
            (directory / f"{prefix}_dists_{source.suite}_InRelease").write_text(release)
            (directory / f"{prefix}_dists_{source.suite}_main_binary-amd64_Packages").write_text("\n".join(packages))
        shutil.rmtree(repository.solutions, ignore_errors=True)
        lists.mark(repository.root, repository.snapshot())
        repository.keep_state()

    return at


def _versions(repository: AptRepository, *wanted: Package) -> dict[str, str]:
    return {package.name: package.version for package in repository.resolve(wanted)}


def test_the_newest_version_at_or_before_a_time_is_chosen(
    repository: AptRepository, publish: Callable[..., None]
) -> None:
    base = _paragraph("base", "1")
    publish(_day(2), base, _paragraph("web", "1.0-1", "lib (>= 1)"), _paragraph("lib", "1"))
    publish(_day(5), base, _paragraph("web", "1.1-1", "lib (>= 2)"), _paragraph("lib", "2"))
    publish(_day(9), base, _paragraph("web", "1.1-1", "lib (>= 2)"), _paragraph("lib", "3"))
    web = Package(name="web")
    assert _versions(repository, web) == {"base": "1", "web": "1.1-1", "lib": "3"}
    for day, version, lib in (
        (2, "1.0-1", "1"),
        (4, "1.0-1", "1"),
        (5, "1.1-1", "2"),
        (8, "1.1-1", "2"),
        (30, "1.1-1", "3"),
    ):
        past = repository.at(_day(day))
        assert _versions(past, web) == {"base": "1", "web": version, "lib": lib}
        # The image's own time is that of its packages.
        assert past.release_date() == _day(max(d for d in (2, 5, 9) if d <= day))
    assert _versions(repository.at(_day(5) - dt.timedelta(seconds=1)), web)["web"] == "1.0-1"


def test_suites_have_times_of_their_own(repository: AptRepository, publish: Callable[..., None]) -> None:
    publish(_day(2), _paragraph("base", "1"), _paragraph("web", "1"))
    publish(_day(4), _paragraph("web", "1+deb12u1"), suite="bookworm-security")
    publish(_day(6), _paragraph("web", "1+deb12u2"), suite="bookworm-security")
    web = Package(name="web")
    assert _versions(repository.at(_day(3)), web)["web"] == "1"
    assert _versions(repository.at(_day(5)), web)["web"] == "1+deb12u1"
    assert _versions(repository.at(_day(7)), web)["web"] == "1+deb12u2"


def test_a_time_before_the_first_snapshot_is_refused_clearly(
    repository: AptRepository, publish: Callable[..., None]
) -> None:
    publish(_day(2, 6), _paragraph("base", "1"))
    with pytest.raises(BuildError, match=r"2026-03-02 05:59 UTC lies before.*since 2026-03-02 06:00 UTC"):
        repository.at(_day(2, 6) - dt.timedelta(seconds=1))


def test_pinned_packages_ignore_the_time_and_bring_what_they_insist_on(
    repository: AptRepository, publish: Callable[..., None]
) -> None:
    base = _paragraph("base", "1")
    publish(_day(2), base, _paragraph("web", "1", "common (= 1)"), _paragraph("common", "1"), _paragraph("lib", "1"))
    publish(
        _day(5), base, _paragraph("web", "2", "common (= 2), lib"), _paragraph("common", "2"), _paragraph("lib", "2")
    )
    publish(_day(9), base, _paragraph("web", "3", "common (= 3)"), _paragraph("common", "3"), _paragraph("lib", "3"))
    pinned = Package(name="web", version="2")
    expected = {"base": "1", "web": "2", "common": "2", "lib": "1"}
    assert _versions(repository.at(_day(3)), pinned) == expected
    resolved = {package.name: package for package in repository.at(_day(3)).resolve([pinned])}
    assert (resolved["web"].level, resolved["common"].level) == (0, 1)
    assert _versions(repository.at(_day(20)), Package(name="web", version="1"))["common"] == "1"
    with pytest.raises(BuildError, match=r"web 7 \(its versions are 1\)"):
        repository.at(_day(3)).resolve([Package(name="web", version="7")])


def test_all_that_is_missing_is_named_at_once(repository: AptRepository, publish: Callable[..., None]) -> None:
    publish(_day(2), _paragraph("base", "1"), _paragraph("web", "1"), _paragraph("mail", "2"))
    wanted = [Package(name="wep"), Package(name="web", version="9"), Package(name="mail", version="8", release="1")]
    with pytest.raises(BuildError, match=r"3 of the packages.*wep \(did you mean web\?\); web 9.*; mail 8-1") as error:
        repository.at(_day(3)).resolve(wanted)
    assert "\n" not in error.value.message


def test_what_changes_is_kept_and_nothing_twice(repository: AptRepository, publish: Callable[..., None]) -> None:
    for day in range(2, 12):
        publish(_day(day), _paragraph("base", "1"), suite="bookworm-updates")
        publish(_day(day), _paragraph("base", "1"), suite="bookworm-updates")
    history = repository.history
    assert len(history.states("bookworm-updates")) == 10
    # Release files differ, the lists are the same: one with the package, one empty.
    contents = list((repository.cache / "snapshots").glob("*/contents/*.zst"))
    suites = len(repository.sources)
    assert len(contents) == 10 + (suites - 1) + 2


def test_a_damaged_list_is_noticed(repository: AptRepository, publish: Callable[..., None]) -> None:
    publish(_day(2), _paragraph("base", "1"))
    for file in (repository.cache / "snapshots").glob("*/contents/*.zst"):
        file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(BuildError, match="past"):
        repository.at(_day(3)).resolve([Package(name="base")])


def test_a_dated_archive_answers_for_what_came_before(
    repository: AptRepository, publish: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(_day(2), _paragraph("base", "1"))
    archives = (
        '{"debian": "http://archive.invalid/debian/{time}/", "debian-security": "http://archive.invalid/s/{time}"}'
    )
    monkeypatch.setenv("INGOT_ARCHIVES", archives)
    archive = repository.at(dt.datetime(2025, 1, 31, 6, tzinfo=dt.UTC))
    assert archive.archive == dt.datetime(2025, 1, 31, 6, tzinfo=dt.UTC)
    assert archive.sources[0].uri == "http://archive.invalid/debian/20250131T060000Z"
    assert 'Check-Valid-Until "false"' in archive._configuration()
    assert repository.at(_day(3)).archive is None


def test_histories_of_several_processes_agree(
    tmp_path: Path, publish: Callable[..., None], repository: AptRepository
) -> None:
    publish(_day(2), _paragraph("base", "1"))
    copy = tmp_path / "copy"
    shutil.copytree(repository.cache / "snapshots", copy)
    (place,) = copy.iterdir()
    assert History(place).known_since([_MAIN]) == _day(2)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2014-05-14", dt.datetime(2014, 5, 14, tzinfo=dt.UTC)),
        (dt.date(2014, 5, 14), dt.datetime(2014, 5, 14, tzinfo=dt.UTC)),
        ("2014-05-14 00:00 UTC", dt.datetime(2014, 5, 14, tzinfo=dt.UTC)),
        ("01-30-2014", dt.datetime(2014, 1, 30, tzinfo=dt.UTC)),
        ("12-19-2016 10:32:07 GMT", dt.datetime(2016, 12, 19, 10, 32, 7, tzinfo=dt.UTC)),
        ("2016-12-19T10:32:07+02:00", dt.datetime(2016, 12, 19, 8, 32, 7, tzinfo=dt.UTC)),
    ],
)
def test_times_as_template_files_write_them(text: object, time: dt.datetime) -> None:
    system = OperatingSystem.model_validate({"name": "Debian", "version": "12", "updateTo": text})
    assert system.update_to == time

"""A distribution's repository as apt sees it: verified package lists in a directory of their own."""

import datetime as dt
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ingot.build.distributions import Distribution
from ingot.build.errors import BuildError
from ingot.build.lock import locked
from ingot.build.packages import apt_resolve, lists
from ingot.build.packages.apt_history import History, release_date
from ingot.build.packages.lists import ListsState
from ingot.build.packages.repository import AvailablePackage, Repository, ResolvedPackage, split_version
from ingot.build.packages.sources import Source, sources_of
from ingot.build.run import ProgramFailedError, require, run
from ingot.build.template import Package
from ingot.settings import Settings

if TYPE_CHECKING:
    from debian.deb822 import Deb822

_APT_HELPER = "/usr/lib/apt/apt-helper"
_NAMED = 20
_APT_CONF = """\
Dir "{root}/";
Dir::State "{root}/";
Dir::State::lists "{root}/lists";
Dir::State::status "{root}/status";
Dir::Cache "{root}/";
Dir::Etc "{root}/etc";
Dir::Etc::sourcelist "{root}/etc/sources.list";
Dir::Log "{root}/";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Get::Assume-Yes "true";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
"""


class AptRepository(Repository):
    """The package lists of a distribution of Debian's family."""

    suffix = ".deb"

    def __init__(self, distribution: Distribution, cache: Path, sources: tuple[Source, ...] | None = None) -> None:
        self.distribution, self.cache = distribution, cache
        self.sources: tuple[Source, ...] = sources or sources_of(distribution, cache)
        text = "".join(f"{source}\n" for source in self.sources)
        key = hashlib.sha256(f"{distribution.native_arch}\n{text}".encode()).hexdigest()[:16]
        self.root = cache / "lists" / f"{distribution.codename}-{distribution.native_arch}-{key}"
        self._sources_text = text
        self.history = History(cache / "snapshots" / f"{distribution.codename}-{distribution.native_arch}")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the package lists as they are; they are refreshed first when they are old."""
        self._refresh_if_old()
        with locked(self.root / "lock", shared=True):
            yield

    def refresh(self) -> None:
        """Fetch the package lists and verify their signatures now."""
        with locked(self.root / "lock"):
            self._configure()
            self._fetch_lists()

    def state(self, cache: Path) -> ListsState | None:
        """The state of the lists, which are not old."""
        with self.reading():
            return lists.state(cache, self.root)

    def resolve(self, wanted: Sequence[Package], own: Sequence[Path] = ()) -> list[ResolvedPackage]:
        """The packages that apt installs for `wanted` on an empty machine."""
        with self.reading():
            return apt_resolve.resolve(self, wanted, own)

    def offered(self, names: Sequence[str]) -> list[str]:
        """Those that apt knows."""
        if not names:
            return []
        with self.reading():
            known = set(self.apt(["apt-cache", "pkgnames"]).split())
        return [name for name in names if name in known]

    def download(self, packages: Sequence[ResolvedPackage], target: Path) -> None:
        """Fetch packages with apt's own transport."""
        arguments = [_APT_HELPER, "download-file"]
        for package in packages:
            place = str(target / package.sha256)
            arguments += [self.uri(package.repository, package.path), place, f"SHA256:{package.sha256}"]
        try:
            self.apt(arguments)
        except ProgramFailedError as error:
            gone = [p for p in packages if not (target / p.sha256).exists()]
            names = ", ".join(f"{package.name} {package.version}" for package in gone[:_NAMED])
            more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
            raise BuildError(
                f"{len(gone)} packages could not be fetched: {names}{more}. Where the mirror has them no more, take a "
                f"later time (updateTo) or other versions, or name an archive (INGOT_ARCHIVES). apt: {error.message}",
                error.detail,
            ) from error

    def available(self) -> Iterator[AvailablePackage]:
        """Every package of the lists, read line by line."""
        from debian.deb822 import Deb822  # noqa: PLC0415 - as in `control`

        with self.reading():
            for source in self.sources:
                published = self._date(source)
                for file in self._package_files_of(source):
                    with file.open(encoding="utf-8") as lines:
                        for paragraph in Deb822.iter_paragraphs(lines, use_apt_pkg=False):
                            yield _described(paragraph, source.suite, published)

    def apt(self, argv: Sequence[str]) -> str:
        """Run a program of apt on these lists; returns its standard output."""
        return run(argv, env={"APT_CONFIG": str(self.root / "apt.conf")})

    def release_date(self) -> dt.datetime:
        """The date in the main suite's release file."""
        return self._date(self.sources[0])

    def point_release(self) -> str | None:
        """The version in the main suite's release file."""
        from debian.deb822 import Deb822  # noqa: PLC0415 - as in `control`

        with self.reading():
            return Deb822(self._release_text(self.sources[0])).get("Version")

    def _date(self, source: Source) -> dt.datetime:
        return release_date(self._release_text(source), source)

    def _release_text(self, source: Source) -> str:
        """What a release file says, without what signs it."""
        text = self._release_file(source).read_text(encoding="utf-8", errors="replace")
        return text.partition("Hash:")[2].partition("\n\n")[2] if text.startswith("-----BEGIN PGP") else text

    def _package_files_of(self, source: Source) -> list[Path]:
        start = f"{self.prefix(source)}_dists_{source.suite}_"
        return [file for file in self.package_files() if file.name.startswith(start)]

    def at(self, moment: dt.datetime) -> "AptRepository":
        """The lists of the history, or of a dated archive."""
        from ingot.build.packages import apt_past  # noqa: PLC0415 - the past is made of the present

        return apt_past.at(self, moment)

    def dated(self, moment: dt.datetime) -> "AptRepository":
        """The archive of that moment."""
        from ingot.build.packages.apt_past import DatedArchive  # noqa: PLC0415

        return DatedArchive(self.distribution, self.cache, moment)

    def known_since(self) -> dt.datetime | None:
        """Since when the history knows all suites."""
        return self.history.known_since([source.suite for source in self.sources])

    def keep_state(self) -> None:
        """Enter the lists as they are into the history; the caller holds them."""
        for source in self.sources:
            self.history.keep(source.suite, self._release_file(source), self._package_files_of(source))

    def prefix(self, source: Source) -> str:
        """What the names of a source's files in apt's directory begin with."""
        return self._release_file(source).name.partition("_dists_")[0]

    def locate(self, uri: str) -> tuple[str, str]:
        """(suite, path) of a package's URI: the archive it belongs to by its main suite, the same on every mirror."""
        source = next((source for source in self.sources if uri.startswith(f"{source.uri}/")), self.sources[0])
        return source.suite, uri.removeprefix(f"{source.uri}/")

    def uri(self, suite: str, path: str) -> str:
        """Where this machine's mirrors have what `locate` told."""
        source = next((source for source in self.sources if source.suite == suite), self.sources[0])
        return f"{source.uri}/{path}"

    def snapshot(self) -> str:
        """The hash of the release files: it names the state of the package lists."""
        digest = hashlib.sha256()
        for source in self.sources:
            digest.update(hashlib.sha256(self._release_file(source).read_bytes()).digest())
        return digest.hexdigest()

    @property
    def solutions(self) -> Path:
        """The directory for what apt's solver answered on these lists."""
        return self.root / "solutions"

    def package_files(self) -> list[Path]:
        """The Packages files, fetched and verified."""
        return sorted((self.root / "lists").glob("*_Packages"))

    def _release_file(self, source: Source) -> Path:
        matches = sorted((self.root / "lists").glob(f"*_dists_{source.suite}_InRelease"))
        if not matches:
            raise BuildError(f"There is no release file for {source}.")
        return matches[0]

    def _refresh_if_old(self) -> None:
        if self._is_configured() and self._is_fresh():
            return
        with locked(self.root / "lock"):
            self._configure()
            if not self._is_fresh():
                self._fetch_lists()

    def _is_fresh(self) -> bool:
        return lists.are_fresh(self.root, Settings().package_lists_max_age)

    def _configuration(self) -> str:
        conf = _APT_CONF.format(root=self.root, arch=self.distribution.native_arch)
        return conf + _machine_transport()

    def _is_configured(self) -> bool:
        """Whether apt's configuration is there and is for this place: a cache may have been moved."""
        file = self.root / "apt.conf"
        return file.exists() and f'Dir "{self.root}/";' in file.read_text(encoding="utf-8")

    def _configure(self) -> None:
        for directory in ("lists/partial", "etc/apt.conf.d", "etc/preferences.d", "etc/sources.list.d"):
            (self.root / directory).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        (self.root / "etc/sources.list").write_text(self._sources_text, encoding="utf-8")
        (self.root / "apt.conf").write_text(self._configuration(), encoding="utf-8")

    def _fetch_lists(self) -> None:
        require("apt-get", "apt")
        try:
            self.apt(["apt-get", "update", "--error-on=any", "-qq"])
        except ProgramFailedError as error:
            raise BuildError(
                f"The package lists of {self.distribution.name} {self.distribution.version} could not be "
                f"fetched: {error.message}. Check this machine's apt sources or the setting INGOT_MIRRORS.",
                error.detail,
            ) from error
        shutil.rmtree(self.solutions, ignore_errors=True)
        lists.mark(self.root, self.snapshot())
        self.keep_state()


def _machine_transport() -> str:
    """The machine's own apt settings for reaching mirrors: proxies, certificates, time limits."""
    lines = run(["apt-config", "dump", "Acquire"]).splitlines()
    wanted = ("Acquire::http::", "Acquire::https::", "Acquire::ftp::")
    return "".join(f"{line}\n" for line in lines if line.startswith(wanted))


def _described(paragraph: "Deb822", suite: str, published: dt.datetime) -> AvailablePackage:
    """The package that a paragraph of a Packages file describes."""
    epoch, version, release = split_version(paragraph["Version"])
    return AvailablePackage(
        name=paragraph["Package"],
        epoch=epoch,
        version=version,
        release=release,
        arch=paragraph["Architecture"],
        size=int(paragraph["Size"]),
        installed_size=int(paragraph.get("Installed-Size", 0)) * 1024,
        sha256=paragraph["SHA256"],
        section=paragraph.get("Section", ""),
        description=paragraph.get("Description", "").splitlines()[0] if paragraph.get("Description") else "",
        suite=suite,
        published=published,
    )

"""What suites' package lists said in the past, as this cache has seen it.

Each state of a suite that was fetched is kept by content: its signed release file and its lists, compressed. A suite
that has not changed costs nothing, one that has costs its own lists and not those of the others.
"""

import datetime as dt
import email.utils
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import zstandard

from ingot.build.errors import BuildError

_LEVEL = 3
_CHUNK = 1 << 20


@dataclass(frozen=True)
class SuiteState:
    """A suite as it was published at `date`: {the end of a file's name: SHA-256} of its release file and its lists."""

    suite: str
    date: dt.datetime
    files: dict[str, str]


class History:
    """The states of one distribution's suites below a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._contents = root / "contents"

    def keep(self, suite: str, release: Path, package_lists: Sequence[Path]) -> None:
        """Remember a suite as it is; does nothing when it is known like this."""
        text = release.read_bytes()
        name = hashlib.sha256(text).hexdigest()
        entry = self._root / suite / f"{name}.json"
        if entry.exists():
            return
        files = {_end(file, suite): self._store(file) for file in (release, *package_lists)}
        document = {"date": release_date(text.decode("utf-8", "replace"), suite).isoformat(), "files": files}
        _write(entry, json.dumps(document, sort_keys=True).encode("ascii"))

    def states(self, suite: str) -> list[SuiteState]:
        """The states of a suite, oldest first."""
        found = []
        for entry in (self._root / suite).glob("*.json"):
            document = json.loads(entry.read_bytes())
            found.append(SuiteState(suite, dt.datetime.fromisoformat(document["date"]), document["files"]))
        return sorted(found, key=lambda state: state.date)

    def at(self, suites: Sequence[str], moment: dt.datetime) -> list[SuiteState]:
        """The newest state at or before a moment of each suite; none when one of them was not known yet."""
        found = [[state for state in self.states(suite) if state.date <= moment] for suite in suites]
        return [states[-1] for states in found] if all(found) else []

    def known_since(self, suites: Sequence[str]) -> dt.datetime | None:
        """From when on all suites are known."""
        found = [self.states(suite) for suite in suites]
        return max(states[0].date for states in found) if all(found) else None

    def restore(self, state: SuiteState, directory: Path, prefix: str) -> None:
        """Write a state's files, with names that begin with `prefix`."""
        for end, sha256 in state.files.items():
            with (directory / f"{prefix}_dists_{state.suite}_{end}").open("wb") as file:
                for chunk in self._read(sha256):
                    file.write(chunk)

    def find(self, suites: Sequence[str], name: str, version: str) -> tuple[str, str] | None:
        """(suite, paragraph) of a package's version in any state, the newest that has it first."""
        start, exact = f"Package: {name}\n", f"\nVersion: {version}\n"
        states = sorted((s for suite in suites for s in self.states(suite)), key=lambda s: s.date, reverse=True)
        seen: set[str] = set()
        for state in states:
            for end, sha256 in state.files.items():
                if not end.endswith("_Packages") or sha256 in seen:
                    continue
                seen.add(sha256)
                text = b"".join(self._read(sha256)).decode("utf-8")
                for paragraph in text.split("\n\n"):
                    if paragraph.startswith(start) and exact in f"{paragraph}\n":
                        return state.suite, paragraph.strip("\n")
        return None

    def _store(self, file: Path) -> str:
        with file.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            target = self._contents / f"{sha256}.zst"
            if not target.exists():
                content.seek(0)
                self._contents.mkdir(parents=True, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=self._contents, delete=False) as draft:
                    zstandard.ZstdCompressor(level=_LEVEL, threads=-1).copy_stream(content, draft)
                Path(draft.name).rename(target)
        return sha256

    def _read(self, sha256: str) -> Iterator[bytes]:
        """A content, verified: it is as good as the signature that it was kept under."""
        digest = hashlib.sha256()
        try:
            with (self._contents / f"{sha256}.zst").open("rb") as file:
                for chunk in zstandard.ZstdDecompressor().read_to_iter(file, read_size=_CHUNK):
                    digest.update(chunk)
                    yield chunk
        except (OSError, zstandard.ZstdError) as error:
            raise BuildError(f"A package list of the past cannot be read in {self._contents}: {error}.") from error
        if digest.hexdigest() != sha256:
            raise BuildError(f"A package list of the past is damaged: {self._contents / sha256}.zst. Remove it.")


def release_date(text: str, what: object) -> dt.datetime:
    """The date in a release file."""
    for line in text.splitlines():
        if line.startswith("Date: "):
            return email.utils.parsedate_to_datetime(line.removeprefix("Date: ").replace("UTC", "+0000"))
    raise BuildError(f"The release file of {what} has no date.")


def _end(file: Path, suite: str) -> str:
    return file.name.partition(f"_dists_{suite}_")[2]


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, delete=False) as draft:
        draft.write(content)
        draft.flush()
        os.fsync(draft.fileno())
    Path(draft.name).rename(file)

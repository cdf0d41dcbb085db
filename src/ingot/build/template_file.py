"""Template files: YAML or JSON, with a `stack` section; every mistake is found in one go, with its line and column.

Mind what old files say: numbers in quotes, `revision` for a package's release, two spellings of one key.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ingot.build import template_bundle_rules, template_partitioning_rules, template_rules
from ingot.build.errors import BuildError
from ingot.build.template import Bundle, Section, Template

_S = TypeVar("_S", bound=Section)
LARGEST = 4 * 1024 * 1024
_MOST_ALIASES = 100
_IGNORED = ("builders",)
#: {key as some files have it: key as it is meant}, for everywhere in a file.
_SPELLINGS = {"displayLicense": "displayLicenses", "sourceLogo": "source_logo"}


@dataclass(frozen=True)
class Mistake:
    """Something wrong in a template file; `line` and `column` count from 1."""

    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.path}: {self.message}"


class TemplateFileError(BuildError):
    """A template file is not usable as it is: `mistakes` has them all."""

    def __init__(self, file: Path, mistakes: list[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: (mistake.line, mistake.column))
        count = len(self.mistakes)
        lines = "\n".join(f"  {mistake}" for mistake in self.mistakes)
        super().__init__(f"{file} has {count} mistake{'s' if count > 1 else ''}:\n{lines}")


def load_template(file: Path) -> Template:
    """Read a template file; raises TemplateFileError, or BuildError when it cannot be read at all."""
    return parse_template(_content(file), file, directory=file.absolute().parent)


def parse_template(content: bytes, file: Path, *, directory: Path | None = None) -> Template:
    """Read a template from a file's bytes; `file` is for messages. JSON is read as the YAML that it is.

    With the `directory` of its files, what cannot be built here is a mistake too, not only what cannot be read.
    """
    reader = _Reader(file)
    return _template(reader.document(content), reader, directory)


def load_bundle(file: Path) -> Bundle:
    """Read a bundle file; raises TemplateFileError, or BuildError when it cannot be read at all."""
    return parse_bundle(_content(file), file, directory=file.absolute().parent)


def parse_bundle(content: bytes, file: Path, *, directory: Path | None = None) -> Bundle:
    """Read a bundle from the bytes of its own file; see `parse_template`."""
    reader = _Reader(file)
    document = reader.document(content)
    if not isinstance(document, dict):
        raise TemplateFileError(file, [reader.mistake((), "is no bundle: it has no name, version and files")])
    findings = [] if directory is None else [*template_bundle_rules.bundle_findings((), document, directory)]
    return _checked(Bundle, document, (), reader, findings)


def read_document(file: Path) -> dict[str, Any]:
    """The plain values of a template file, texts as they are written; raises TemplateFileError for its mistakes."""
    content = _content(file)
    parse_template(content, file, directory=file.absolute().parent)
    document: dict[str, Any] = _Reader(file).document(content)
    return document


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BuildError(f"The template {file} cannot be read: {error.strerror}.") from error


def read_bundle_document(file: Path) -> dict[str, Any]:
    """The plain values of a bundle file; raises TemplateFileError for its mistakes."""
    content = _content(file)
    parse_bundle(content, file, directory=file.absolute().parent)
    document: dict[str, Any] = _Reader(file).document(content)
    return document


class _Reader:
    """Turns YAML nodes into plain values and remembers where each one stands."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []
        self._places: dict[tuple[str | int, ...], tuple[int, int]] = {}
        self._seen: dict[int, int] = {}

    def document(self, content: bytes) -> Any:
        """The value of a whole file."""
        if len(content) > LARGEST:
            raise BuildError(f"The template {self.file} has {len(content)} bytes; at most {LARGEST} are possible.")
        try:
            node = yaml.compose(content, Loader=yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            problem = getattr(error, "problem", None) or "it is no YAML"
            raise TemplateFileError(self.file, [Mistake(line, column, "file", str(problem))]) from error
        return self.read(node)

    def read(self, node: yaml.Node | None, path: tuple[str | int, ...] = ()) -> Any:
        """The value of a node. Numbers stay as they are written: 1.0 is a version."""
        if node is None:
            return None
        self._places[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        self._seen[id(node)] = self._seen.get(id(node), 0) + 1
        if sum(self._seen.values()) - len(self._seen) > _MOST_ALIASES:
            raise TemplateFileError(self.file, [self.mistake(path, f"has more than {_MOST_ALIASES} aliases")])
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(node)

    def mistake(self, path: Iterable[str | int], message: str) -> Mistake:
        """A mistake at the innermost known place of a path."""
        parts = tuple(path)
        place = parts
        while place and place not in self._places:
            place = place[:-1]
        line, column = self._places.get(place, (1, 1))
        return Mistake(line, column, _spell(parts) or "file", message)

    def _items(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> Iterator[tuple[str, Any]]:
        names: set[str] = set()
        for key, value in node.value:
            written = str(key.value)
            name = _SPELLINGS.get(written, written)
            if name in names:
                line, column = key.start_mark.line + 1, key.start_mark.column + 1
                self.mistakes.append(Mistake(line, column, _spell((*path, written)), "is there twice"))
                continue
            names.add(name)
            content = self.read(value, (*path, name))
            self._places[(*path, name)] = (key.start_mark.line + 1, key.start_mark.column + 1)
            yield name, content


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() in ("true", "yes", "on", "y")
        case "int":
            return int(text) if text == "0" or (text.isdecimal() and not text.startswith("0")) else text
    return text


def _template(document: Any, reader: _Reader, directory: Path | None) -> Template:
    if not isinstance(document, dict) or not isinstance(document.get("stack"), dict):
        raise TemplateFileError(reader.file, [reader.mistake((), "has no `stack` section")])
    unknown = [key for key in document if key not in ("stack", *_IGNORED)]
    reader.mistakes += [reader.mistake((key,), _unknown(key, ("stack", *_IGNORED))) for key in unknown]
    stack = document["stack"]
    _forgive(stack)
    findings: list[template_rules.Finding] = []
    if directory is not None:
        findings += template_rules.findings(stack, directory)
        findings += template_partitioning_rules.findings(stack)
        findings += template_bundle_rules.findings(stack, directory)
    return _checked(Template, stack, ("stack",), reader, findings)


def _checked(
    kind: type[_S],
    values: dict[str, Any],
    place: tuple[str, ...],
    reader: _Reader,
    findings: Iterable[template_rules.Finding],
) -> _S:
    """A section of a file; raises TemplateFileError with all that is wrong with it."""
    section, mistakes = None, list(reader.mistakes)
    try:
        section = kind.model_validate(values)
    except ValidationError as error:
        mistakes += [_mistake(kind, problem, place, reader) for problem in error.errors(include_url=False)]
    mistakes += [reader.mistake(path, words) for path, words in findings]
    if section is None or mistakes:
        raise TemplateFileError(reader.file, mistakes)
    return section


def _forgive(stack: dict[str, Any]) -> None:
    """What old files say in their own way."""
    system = stack.get("os")
    if isinstance(system, dict):
        if isinstance(system.get("pkgs"), dict):
            system["pkgs"] = [system["pkgs"]]
        for package in system.get("pkgs") or []:
            if isinstance(package, dict) and "revision" in package:
                package.setdefault("release", package.pop("revision"))
    installation = stack.get("installation")
    if isinstance(installation, dict) and isinstance(installation.get("kernelParams"), str):
        installation["kernelParams"] = installation["kernelParams"].split()


def _mistake(kind: type[Section], problem: Any, place: tuple[str, ...], reader: _Reader) -> Mistake:
    path = (*place, *problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_at(kind, problem["loc"][:-1])
        return reader.mistake(path, _unknown(str(problem["loc"][-1]), known))
    if problem["type"] == "missing":
        return reader.mistake(path, "is missing")
    given = problem["input"]
    if problem["type"] == "literal_error" and isinstance(given, str):
        choices = [choice.strip("'") for choice in re.split(", | or ", problem["ctx"]["expected"])]
        return reader.mistake(path, f"{given!r}: is not possible; {template_rules.near(given, choices)}")
    shown = f"{given!r}: " if isinstance(given, str | int | float | bool) else ""
    return reader.mistake(path, f"{shown}{problem['msg']}")


def _unknown(key: str, known: Iterable[str]) -> str:
    return f"is not known; {template_rules.near(key, sorted(known))}"


def _keys_at(section: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The keys that a place in a template may have."""
    for step in path:
        if isinstance(step, int):
            continue
        field = next((f for f in section.model_fields.values() if f.alias == step), None)
        inner = _section_in(field.annotation) if field else None
        if inner is None:
            return []
        section = inner
    return [str(field.alias) for field in section.model_fields.values()]


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if (found := _section_in(argument)) is not None:
            return found
    return None


def _spell(path: Iterable[str | int]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text

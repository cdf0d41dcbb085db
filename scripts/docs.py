"""Write the reference pages from the code; with --check, only say which ones are not up to date."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel
from typer.core import TyperGroup

from ingot.build.formats.registry import FORMATS, OBSOLETE
from ingot.build.formats.tools import TOOLS
from ingot.build.template import Section, Template
from ingot.cli.accounts import TYPES
from ingot.cli.main import app
from ingot.publish.machines import provider_of
from ingot.publish.target import PublishError
from ingot.publish.targets import RETIRED, TARGETS, message_type, own_fields, target_of
from ingot.settings import Settings

REFERENCE = Path(__file__).parent.parent / "docs/reference"
_NOTE = "<!-- Made by scripts/docs from the code. -->\n\n"


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {
        "formats.md": _NOTE + "# Formats\n\n" + "\n".join(_formats()) + "\n",
        "command-line.md": _NOTE + "# Command line\n\n" + "\n".join(_commands()),
        "settings.md": _NOTE + "# Settings\n\n" + "\n".join(_settings()) + "\n",
        "targets.md": _NOTE + "# Targets of publications\n\n" + "\n".join(_targets()) + "\n",
        "template.md": _NOTE + "# Templates\n\n" + "\n".join(_template()) + "\n",
    }


def _commands() -> Iterator[str]:
    yield "A command ends with 0: done, 1: failed, 2: wrong use, 3: something is not there, 4: refused.\n"
    yield from _describe(typer.main.get_command(app), "ingot")


def _describe(command: Any, path: str) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        for name in sorted(command.commands):
            yield from _describe(command.commands[name], f"{path} {name}")
        return
    yield f"## {path}\n\n{command.help}\n"
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        is_argument = parameter.param_type_name == "argument"
        names = parameter.metavar or (parameter.name or "").upper() if is_argument else ", ".join(parameter.opts)
        default = "" if parameter.default is None or parameter.required else f"`{parameter.default}`"
        rows.append(f"| `{names}` | {getattr(parameter, 'help', '') or ''} | {default} |")
    if rows:
        yield "\n".join(["| | What | Default |", "|---|---|---|", *rows]) + "\n"


def _formats() -> Iterator[str]:
    yield (
        "Each format is made of the machine's raw disks or of its tree; the same machine gives the same bytes.\n"
        "In the API, only images that were asked for with `compress` can be downloaded. Where an ending has two\n"
        "forms, the second is of an image that is not compressed.\n"
    )
    yield "| Format | Content | Ends with | Several disks | Agents | In the tests |\n|---|---|---|---|---|---|"
    for entry in sorted(FORMATS.values(), key=lambda entry: entry.name.lower()):
        ends = " ".join(f"`{suffix}`" for suffix in (entry.suffix, entry.plain_suffix) if suffix)
        several = "inside" if entry.several_disks else "beside each other" if entry.needs == "disks" else "no"
        tools = ", ".join(entry.tools)
        yield f"| `{entry.name}` | {entry.content} | {ends} | {several} | {tools} | {entry.boot} |"
    yield (
        "\n`oci`, `vagrant-libvirt`, `vdi`, `vhdx` and `vmdk` are formats of `ingot build` only: the API has no\n"
        "words for them. Containers have no kernel and no boot loader; those of `docker`, `openshift` and `oci` have\n"
        "no init either, unless the template asks for one, and so run no boot scripts.\n"
    )
    yield "Obsolete formats keep their names in the API and are refused with these words:\n"
    yield "| Format | Instead |\n|---|---|"
    for name, words in sorted(OBSOLETE.items()):
        yield f"| `{name}` | {words} |"
    yield "\nAgents come in where the distribution has packages of them:\n"
    yield "| Agent | What it does |\n|---|---|"
    for tool in TOOLS.values():
        yield f"| `{tool.name}` | {tool.description} |"


def _targets() -> Iterator[str]:
    yield (
        "Where images are published to: `ingot account create NAME --type TYPE FIELD=VALUE`, then\n"
        "`ingot image publish IMAGE --account NAME FIELD=VALUE`. Fields in bold are needed; secrets are asked for,\n"
        "and come from a file (`FIELD=@FILE`) or standard input where nobody can be asked.\n"
    )
    for type_name, kind in TYPES.items():
        publication, entry = next((name, one) for name, one in TARGETS.items() if kind.name in one.accounts)
        yield f"## {type_name}\n"
        module = sys.modules[target_of(message_type(publication)()).__module__]
        yield f"{(module.__doc__ or '').strip()}\n"
        yield "| | |\n|---|---|"
        yield f"| Types in the API | `{kind.name}`, `{publication}` |"
        fields = [f"`{kind.message.model_fields[name].alias}`" for name in kind.details]
        yield f"| Fields of the account | {', '.join(fields)} |"
        secrets = [f"`{kind.message.model_fields[name].alias}`" for name in kind.secrets]
        yield f"| Its secret | {', '.join(secrets) or 'the key file of a service account (`--certificate`)'} |"
        yield f"| Image formats | {', '.join(f'`{name}`' for name in entry.formats) or 'any'} |"
        image = message_type(publication)
        marks = {name: "**" if name in entry.required else "" for name in own_fields(image)}
        asked = [f"{mark}`{image.model_fields[name].alias}`{mark}" for name, mark in marks.items()]
        yield f"| Fields of the publication | {', '.join(asked)} |"
        yield f"| Starts machines | {_machines(publication)} |\n"
    yield "## Targets that are gone\n"
    yield "Their types are still read, and answered with why nothing can be published there:\n"
    yield "| Type | Why |\n|---|---|"
    for name, words in sorted(RETIRED.items()):
        yield f"| `{name}`, `{name.replace('PublishImage', 'CredAccount')}` | {words} |"


def _machines(publication: str) -> str:
    try:
        provider_of(publication)
    except PublishError:
        return "no"
    return "yes: `ingot deployment create PUBLICATION`"


def _settings() -> Iterator[str]:
    yield "Each setting is an environment variable.\n"
    yield "| Variable | What | Default |\n|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, [], {}) else f"`{field.default}`"
        yield f"| `INGOT_{name.upper()}` | {field.description} | {default} |"


def _template() -> Iterator[str]:
    yield "A template file is YAML or JSON with the section `stack`. Sizes are MB. Unknown keys are mistakes.\n"
    done: set[type[BaseModel]] = set()
    pending: list[type[Section]] = [Template]
    while pending:
        section = pending.pop(0)
        if section in done:
            continue
        done.add(section)
        yield f"## {'stack' if section is Template else section.__name__}\n\n{_first_line(section)}\n"
        yield "| Key | Type | Default |\n|---|---|---|"
        for field in section.model_fields.values():
            inner = _sections(field.annotation)
            pending += inner
            default = "required" if field.is_required() else _default(field.default)
            yield f"| `{field.alias}` | {_type(field.annotation)} | {default} |"
        yield ""


def _first_line(section: type[Section]) -> str:
    return " ".join((section.__doc__ or "").split())


def _default(value: Any) -> str:
    return "" if value in (None, (), "") or isinstance(value, BaseModel) else f"`{value}`"


def _sections(annotation: Any) -> list[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for argument in getattr(annotation, "__args__", ()) for section in _sections(argument)]


def _type(annotation: Any) -> str:
    sections = _sections(annotation)
    if sections:
        kind = sections[0].__name__
        return f"list of [{kind}](#{kind.lower()})" if "tuple" in str(annotation) else f"[{kind}](#{kind.lower()})"
    text = str(annotation)
    for word, kind in (("Literal", "one of "), ("datetime", "time"), ("bool", "boolean"), ("int", "number")):
        if word in text:
            return kind + ", ".join(f"`{a}`" for a in _literals(annotation)) if word == "Literal" else kind
    return "list of texts" if "tuple" in text else "text"


def _literals(annotation: Any) -> list[Any]:
    arguments = getattr(annotation, "__args__", ())
    if "Literal" in str(getattr(annotation, "__origin__", "")):
        return list(arguments)
    return [literal for argument in arguments for literal in _literals(argument)]


def main(arguments: list[str]) -> int:
    """Write or check the pages."""
    stale = [name for name, text in pages().items() if not _is(REFERENCE / name, text)]
    if "--check" in arguments:
        for name in stale:
            print(f"docs/reference/{name} is not up to date: run scripts/docs")
        return 1 if stale else 0
    for name in stale:
        (REFERENCE / name).write_text(pages()[name], encoding="utf-8")
        print(f"wrote docs/reference/{name}")
    return 0


def _is(file: Path, text: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

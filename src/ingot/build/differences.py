"""Why two builds are not the same: the differences of two descriptions, for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from debian.debian_support import Version


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """One line for each difference between two documents of plain values.

    Lists of packages are compared by the packages' names, other lists place by place.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            place = f"{path}.{key}" if path else key
            if key not in before:
                yield f"{place}: only in the second: {after[key]}"
            elif key not in after:
                yield f"{place}: only in the first: {before[key]}"
            else:
                yield from differences(before[key], after[key], place)
    elif path.endswith("packages") and isinstance(before, list) and isinstance(after, list):
        yield from _package_differences(before, after)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif before != after:
        yield f"{path}: {before} → {after}"


def _package_differences(before: list[Any], after: list[Any]) -> Iterator[str]:
    first, second = _by_name(before), _by_name(after)
    for name in sorted({*first, *second}):
        if name not in second:
            yield f"package {name}: removed (was {first[name][0]})"
        elif name not in first:
            yield f"package {name}: added ({second[name][0]})"
        elif first[name][0] != second[name][0]:
            word = "newer" if Version(second[name][0]) > Version(first[name][0]) else "older"
            yield f"package {name}: {first[name][0]} → {second[name][0]} ({word})"
        elif first[name] != second[name]:
            yield f"package {name}: the same version {first[name][0]} with other content or another role"


def _by_name(packages: list[Any]) -> dict[str, tuple[str, str]]:
    """{name and architecture: (version, everything else)} of a manifest's or a tree's packages."""
    found = {}
    for package in packages:
        if isinstance(package, str):
            name, version, rest = package.split(" ", 2)
            found[name] = (version, rest)
        else:
            others = {key: value for key, value in package.items() if key not in ("name", "arch", "version")}
            found[f"{package['name']}:{package['arch']}"] = (package["version"], str(others))
    return found

"""Licences of copyright files as SPDX expressions."""

import pytest
from debian.copyright import Header
from license_expression import get_spdx_licensing

from ingot.build.evidence.licences import read_copyright, spdx_id

HEAD = f"Format: {Header().format}\n\n"


def _file(*names: str, body: str = "") -> str:
    paragraphs = [f"Files: {number}/*\nCopyright: x\nLicense: {name}\n" for number, name in enumerate(names)]
    return HEAD + "\n".join([*paragraphs, body])


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("AGPL-3", "AGPL-3.0-only"),
        ("GFDL-1.3+", "GFDL-1.3-or-later"),
        ("GFDL-NIV-1.3", "GFDL-1.3-no-invariants-only"),
        ("Expat", "MIT"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("zlib", "Zlib"),
        ("Artistic", "Artistic-1.0"),
        ("public-domain", None),
        ("GPL", None),
        ("Classpath-exception-2.0", None),
    ],
)
def test_short_names(name: str, identifier: str | None) -> None:
    assert spdx_id(name) == identifier


@pytest.mark.parametrize(
    ("names", "expression"),
    [
        (["Expat"], "MIT"),
        (["GPL-1+ or Artistic"], "GPL-1.0-or-later OR Artistic-1.0"),
        (["GPL-2+", "Expat", "GPL-2+"], "GPL-2.0-or-later AND MIT"),
        (["GPL-2+ or Expat", "Zlib"], "(GPL-2.0-or-later OR MIT) AND Zlib"),
        (["GPL-2+ or AFL-2.1, and Expat"], "(GPL-2.0-or-later OR AFL-2.1) AND (MIT)"),
        (["GPL-3+ with Bison exception"], "GPL-3.0-or-later WITH Bison-exception-2.2"),
        (["GPL-3+ with Autoconf exception"], "GPL-3.0-or-later WITH Autoconf-exception-3.0"),
    ],
)
def test_expressions(names: list[str], expression: str) -> None:
    licence = read_copyright(_file(*names))
    assert sorted(licence.expression.split(" AND ")) == sorted(expression.split(" AND ")) or (
        get_spdx_licensing().parse(licence.expression) == get_spdx_licensing().parse(expression)
    )
    assert licence.texts == ()


def test_an_unknown_licence_has_its_text_and_a_reference_of_its_own() -> None:
    body = "License: odd\n Do what you like,\n .\n but smile.\n"
    one = read_copyright(_file("odd", body=body))
    other = read_copyright(_file("odd", body="License: odd\n Something else.\n"))
    ((reference, text),) = one.texts
    assert one.expression == reference
    assert text == "Do what you like,\n\nbut smile."
    assert one.expression != other.expression


def test_what_only_concerns_the_packaging_or_cannot_be_read_is_left_out() -> None:
    text = f"{HEAD}Files: *\nLicense: Expat\n\nFiles: debian/*\nLicense: GPL-3\n"
    assert read_copyright(text).expression == "MIT"
    assert read_copyright("This is free software under the GPL.\n").expression == ""
    assert read_copyright("").expression == ""
    odd = read_copyright(_file("ünknown (licence)/with: signs", "!!!"))
    get_spdx_licensing().parse(odd.expression)
    assert len(odd.texts) == 2

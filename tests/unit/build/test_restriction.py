"""The language of restriction rules."""

import itertools

import pytest

from ingot.build.restriction import RuleError, distribution_facts, format_facts, parse, rule_of_systems

DEBIAN = distribution_facts("Debian", "12", "x86_64", "application/x-debian-package")
UBUNTU = distribution_facts("Ubuntu", "22.04", "x86_64", "application/x-debian-package")
QCOW2 = format_facts(["QCOW2", "qcow2"], "virtual")
OVA = format_facts(["OVF or OVA", "ovf"], "virtual")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("", True),
        ("Distribution#name=Debian", True),
        ("Distribution#name=debian", True),
        ("distribution#NAME=Debian", True),
        ("Distribution#name!=Debian", False),
        ("Distribution#name==CentOS", False),
        ("Distribution#version=12", True),
        ("Distribution#arch=i386", False),
        ("Distribution#family=linux && Distribution#pkgType=application/x-debian-package", True),
        ("Distribution#pkgType=deb", True),
        ("Distribution#name=CentOS||Distribution#name=Debian", True),
        ("Distribution#name=Debian&&TargetFormat#type=cloud", False),
        ("(Distribution#name=Debian && TargetFormat#type=virtual)", True),
        ("Distribution#name=CentOS || Distribution#name=Debian && TargetFormat#type=cloud", False),
        ("(Distribution#name=Debian || Distribution#name=CentOS) && TargetFormat#name!='OVF or OVA'", True),
        ('TargetFormat#name="QCOW2"', True),
        ("TargetFormat#name=qcow2", True),
    ],
)
def test_rules_of_a_debian_as_qcow2(rule: str, expected: bool) -> None:
    assert parse(rule).fits(DEBIAN | QCOW2) is expected


def test_values_of_several_words_and_with_parentheses() -> None:
    assert parse("TargetFormat#name=OVF or OVA && Distribution#version=22").fits(UBUNTU | OVA)
    assert parse("(TargetFormat#name=OVF or OVA )||Distribution#version=22.04").fits(UBUNTU)
    cloudstack = format_facts(["CloudStack VMware (OVA)"], "cloud")
    assert parse("(TargetFormat#name=CloudStack VMware (OVA)) && TargetFormat#type=cloud").fits(cloudstack)


def test_what_is_not_known_decides_only_where_it_matters() -> None:
    """A rule over formats, asked of a distribution alone, against a reference."""
    words = {"T": "Distribution#name=Debian", "F": "Distribution#name=CentOS", "?": "TargetFormat#type=cloud"}
    values = {"T": True, "F": False, "?": None}
    for first, second in itertools.product(words, repeat=2):
        one, other = values[first], values[second]
        both = False if False in (one, other) else None if None in (one, other) else True
        either = True if True in (one, other) else None if None in (one, other) else False
        assert parse(f"{words[first]} && {words[second]}").fits(DEBIAN) is both
        assert parse(f"{words[first]} || {words[second]}").fits(DEBIAN) is either


def test_what_a_rule_asks_for() -> None:
    rule = parse("Distribution#name=Debian && TargetFormat#type=cloud")
    assert rule.asks_for("TargetFormat")
    assert not parse("Distribution#name=Debian").asks_for("TargetFormat")
    assert not parse("").asks_for("Distribution")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("Distribution#nam=Debian", "Distribution#nam, which is not known"),
        ("Format#name=x", "not known"),
        ("Distribution#name=Debian &&", "cannot be read at 'its end'"),
        ("Distribution#name", "cannot be read"),
        ("(Distribution#name=Debian", "cannot be read at 'its end'"),
        ("Distribution#name=Debian & x=y", "cannot be read"),
        ("Distribution#name=Debian)", r"cannot be read at '\)'"),
        ("Distribution#name=Debian\n&& Distribution#arch=x86_64", "one line"),
        ("(" * 40 + "Distribution#name=a" + ")" * 40, "at most"),
        ("Distribution#name=" + "a" * 5000, "at most"),
    ],
)
def test_wrong_rules_are_told(rule: str, words: str) -> None:
    with pytest.raises(RuleError, match=words):
        parse(rule)


def test_old_lists_of_systems() -> None:
    rule = rule_of_systems([{"name": "CentOS", "version": "6", "arch": "x86_64"}, {"name": "Debian"}])
    assert parse(rule).fits(DEBIAN)
    assert parse(rule).fits(UBUNTU) is False
    assert rule_of_systems([]) == ""

"""For which distributions and formats bundles are meant."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingot.build import restriction
from ingot.services.errors import InvalidError
from ingot.store.tables import Bundle, Distribution, TargetFormat, User


def checked(rule: str) -> str:
    """A rule that can be read; raises InvalidError."""
    try:
        return restriction.parse(rule).text
    except restriction.RuleError as error:
        raise InvalidError(error.message, rule, message_id="ERROR.RESTRICTION.MALFORMED") from error


def fits(rule: str, distribution: Distribution, target: TargetFormat | None = None) -> bool:
    """Whether a rule lets a bundle into images of a distribution (and of a format, where one is given)."""
    facts = restriction.distribution_facts(
        distribution.name, distribution.version, distribution.arch, distribution.package_type
    )
    if target is not None:
        facts |= restriction.format_facts((target.name, target.format), target.type)
    return restriction.parse(rule).fits(facts) is not False


def depends_on_format(rule: str) -> bool:
    """Whether a rule asks for the format of images."""
    return restriction.parse(rule).asks_for("TargetFormat")


def distributions(session: Session, rule: str, *, compatible: bool = True) -> list[Distribution]:
    """The distributions whose images a bundle of this rule can be in, or with `compatible` false the others."""
    rows = session.scalars(select(Distribution).where(Distribution.active).order_by(Distribution.id))
    return [row for row in rows if fits(rule, row) is compatible]


def rules_for(session: Session, owner: User, distribution: Distribution) -> Sequence[str]:
    """Those rules of a user's bundles that let them into images of a distribution."""
    rules = session.scalars(select(Bundle.restriction_rule).where(Bundle.owner_id == owner.id).distinct())
    return [rule for rule in rules if fits(rule, distribution)]

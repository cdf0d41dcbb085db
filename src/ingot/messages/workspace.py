"""Workspaces: who shares templates with whom, and what they say."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.base import DateTime, Int, Items, Long, UForgeObject, UForgeObjects
from ingot.messages.common import Logo
from ingot.messages.user import UserProfile

MembershipRole = Literal["Administrator", "Collaborator", "Guest"]
CommentType = Literal["QUESTION", "REPLY"]


class Referral(UForgeObject):
    """An invitation."""

    ELEMENT: ClassVar[str | None] = "referral"

    accepted: bool | None = None
    declined: bool | None = None
    msg: str | None = None
    parent_uri: str | None = None
    referrer: UserProfile | None = None
    uri: str | None = None
    user: UserProfile | None = None
    user_email: str | None = None
    user_login: str | None = None


class Referrals(UForgeObjects):
    """Invitations."""

    ELEMENT: ClassVar[str | None] = "referrals"

    referrals: Annotated[list[Referral], Items("referral")] = Field(default_factory=list)


class Membership(Referral):
    """A place of a user in a workspace."""

    ELEMENT: ClassVar[str | None] = "membership"

    joined_date: DateTime | None = None
    left_date: DateTime | None = None
    role: MembershipRole | None = None


class Memberships(UForgeObjects):
    """The members of a workspace, and a message to them."""

    ELEMENT: ClassVar[str | None] = "memberships"

    memberships: Annotated[list[Membership], Items("membership")] = Field(default_factory=list)
    msg: str | None = None


class Workspace(UForgeObject):
    """A place where users share templates."""

    ELEMENT: ClassVar[str | None] = "workspace"

    comments_uri: str | None = None
    memberships_uri: str | None = None
    my_membership: Membership | None = None
    name: str | None = None
    nb_templates: Long | None = None
    org_uri: str | None = None
    templates_uri: str | None = None
    uri: str | None = None


class Workspaces(UForgeObjects):
    """Workspaces of a user."""

    ELEMENT: ClassVar[str | None] = "workspaces"

    workspaces: Annotated[list[Workspace], Items("workspace")] = Field(default_factory=list)


class Comment(UForgeObject):
    """A comment on a template."""

    ELEMENT: ClassVar[str | None] = "comment"

    abused: bool | None = None
    abuse_uri: str | None = None
    likes_uri: str | None = None
    login_name: str | None = None
    message: str | None = None
    nb_abused: Int | None = None
    nb_dislike: Int | None = None
    nb_like: Int | None = None
    photo: Logo | None = None
    rating: Int | None = None
    replies: Annotated[list["Comment"] | None, Items("comment")] = None
    reply_uri: str | None = None
    tags: str | None = None
    type: CommentType | None = None
    uri: str | None = None


class Comments(UForgeObjects):
    """Comments on a template."""

    ELEMENT: ClassVar[str | None] = "comments"

    comments: Annotated[list[Comment], Items("comment")] = Field(default_factory=list)

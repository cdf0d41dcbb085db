"""Users and the organisations they belong to."""

from typing import Annotated, ClassVar

from pydantic import Field

from ingot.messages.access import Role, SSHKey
from ingot.messages.base import DateTime, Int, Items, Long, UForgeObject, UForgeObjects, UriList
from ingot.messages.common import Address, Company, License, Logo, Tag
from ingot.messages.target import TargetFormat


class ProductAccess(UForgeObject):
    """Which parts of the product a user sees."""

    ELEMENT: ClassVar[str | None] = "productAccess"

    allowed: bool | None = None
    crypt_algo: Int | None = None
    email: str | None = None
    expires: DateTime | None = None
    license_contents: str | None = None
    license_key: str | None = None
    machine_id: str | None = None
    type: str | None = None
    uri: str | None = None


class VAppAccess(UForgeObject):
    """What a user may do with appliances."""

    ELEMENT: ClassVar[str | None] = "vAppAccess"

    allowed: bool | None = None
    crypt_algo: Int | None = None
    expires: DateTime | None = None
    license_contents: str | None = None
    license_key: str | None = None
    machine_id: str | None = None
    uri: str | None = None


class UserProfile(UForgeObject):
    """What others may see of a user."""

    ELEMENT: ClassVar[str | None] = "userProfile"

    login_name: str | None = None
    active: bool | None = None
    company: Company | None = None
    email: str | None = None
    first_name: str | None = None
    surname: str | None = None
    job_title: str | None = None
    photo: Logo | None = None
    website: str | None = None


class Ranking(UForgeObject):
    """A user's vote."""

    ELEMENT: ClassVar[str | None] = "ranking"

    appliance_uri: str | None = Field(default=None, alias="applianceURI")
    rank: Int | None = None
    uri: str | None = None


class User(UserProfile):
    """A user."""

    ELEMENT: ClassVar[str | None] = "user"

    address: Address | None = None
    admin: bool | None = None
    admin_orgs_uri: str | None = None
    admin_org_uris: UriList | None = None
    api_keys_quota: Int | None = None
    appliance_uris: UriList | None = None
    base_api_keys_uri: str | None = None
    base_appliances_uri: str | None = None
    base_blueprints_uri: str | None = None
    base_cred_accounts_uri: str | None = None
    base_deployments_uri: str | None = None
    base_distributions_uri: str | None = None
    base_formats_uri: str | None = None
    base_target_platforms_uri: str | None = None
    base_target_formats_uri: str | None = None
    base_galleries_uri: str | None = None
    base_gallery_orgs_uri: str | None = None
    base_images_uri: str | None = None
    base_exports_uri: str | None = None
    base_imports_uri: str | None = None
    my_software_imports_uri: str | None = None
    base_my_software_library_uri: str | None = None
    base_orgs_uri: str | None = None
    base_projects_uri: str | None = None
    base_publish_images_uri: str | None = None
    base_rankings_uri: str | None = None
    base_roles_uri: str | None = None
    base_tags_uri: str | None = None
    base_workspaces_uri: str | None = None
    creation_code: str | None = None
    cred_account_uris: UriList | None = None
    artifact_accounts_uri: str | None = None
    dob: DateTime | None = None
    gender: str | None = None
    home_phone: str | None = None
    instances_uri: str | None = None
    lang: str | None = None
    migrations_uri: str | None = None
    mobile_phone: str | None = None
    my_software_library_uris: UriList | None = None
    name: str | None = None
    office_phone: str | None = None
    org_uris: UriList | None = None
    password: str | None = None
    product_access: ProductAccess | None = None
    project_uris: UriList | None = None
    promo_code: str | None = None
    publish_galleries: Annotated[list["Gallery"] | None, Items("gallery")] = None
    quotas_uri: str | None = None
    rankings: Annotated[list[Ranking] | None, Items("ranking")] = None
    roles: Annotated[list[Role] | None, Items("role")] = None
    scanned_instances_uri: str | None = None
    scans_uri: str | None = None
    ssh_keys: Annotated[list[SSHKey] | None, Items("sshKey")] = None
    ssh_keys_uri: str | None = None
    stats_uri: str | None = None
    tags: Annotated[list[Tag] | None, Items("tag")] = None
    uri: str | None = None
    usage_uri: str | None = None
    v_app_access: VAppAccess | None = None


class Gallery(UForgeObject):
    """A gallery of shared appliances."""

    ELEMENT: ClassVar[str | None] = "gallery"

    members_uri: str | None = None
    name: str | None = None
    nb_templates: Long | None = None
    org_uri: str | None = None
    partners_uri: str | None = None
    products_notifications_uri: str | None = None
    public_gallery: bool | None = None
    publishers: Annotated[list[User] | None, Items("publisher")] = None
    publishers_uri: str | None = None
    templates_notifications_uri: str | None = None
    templates_uri: str | None = None
    uri: str | None = None
    user_groups_uri: str | None = None


class Users(UForgeObjects):
    """Users."""

    ELEMENT: ClassVar[str | None] = "users"

    users: Annotated[list[User], Items("user")] = Field(default_factory=list)


class Org(UForgeObject):
    """An organisation."""

    ELEMENT: ClassVar[str | None] = "org"

    activate_new_users: bool | None = None
    admin: bool | None = None
    appliances_uri: str | None = None
    appliance_uris: UriList | None = None
    categories_uri: str | None = None
    companies_uri: str | None = None
    company: Company | None = None
    default_org: bool | None = None
    distributions_uri: str | None = None
    target_formats: Annotated[list[TargetFormat] | None, Items("targetFormat")] = None
    formats_uri: str | None = None
    target_platforms_uri: str | None = None
    target_formats_uri: str | None = None
    gallery_uri: str | None = None
    license: License | None = None
    licenses_uri: str | None = None
    license_uri: str | None = None
    members_uri: str | None = None
    milestones_uri: str | None = None
    name: str | None = None
    projects_uri: str | None = None
    roles_uri: str | None = None
    stats_uri: str | None = None
    subscription_profiles_uri: str | None = None
    uri: str | None = None
    workspaces_uri: str | None = None
    repositories_uri: str | None = None
    artifact_accounts_uri: str | None = None


class Orgs(UForgeObjects):
    """Organisations."""

    ELEMENT: ClassVar[str | None] = "orgs"

    orgs: Annotated[list[Org], Items("org")] = Field(default_factory=list)


# Users have galleries and galleries have users: only here are both known.
User.model_rebuild()


class UserProfiles(UForgeObjects):
    """What others may see of users."""

    ELEMENT: ClassVar[str | None] = "userProfiles"

    user_profiles: Annotated[list[UserProfile], Items("userProfile")] = Field(default_factory=list)


class UserGroup(UForgeObject):
    """Users who share a gallery."""

    ELEMENT: ClassVar[str | None] = "userGroup"

    admin: User | None = None
    members: Annotated[list[User] | None, Items("member")] = None
    members_uri: str | None = None
    partner: Int | None = None
    uri: str | None = None


class UserGroups(UForgeObjects):
    """Groups of users."""

    ELEMENT: ClassVar[str | None] = "userGroups"

    user_groups: Annotated[list[UserGroup], Items("userGroup")] = Field(default_factory=list)

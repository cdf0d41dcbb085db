"""Statistics: what there is, and what was done."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ingot.messages.base import DateTime, Float, Int, Items, Long, Message, UForgeObject, UForgeObjects

StatTicketActionName = Literal[
    "added",
    "cancelled",
    "created",
    "deleted",
    "downloaded",
    "failed",
    "imported",
    "purchased",
    "shared",
    "success",
    "updated",
    "uploaded",
]
UserStatType = Literal[
    "APPLIANCE",
    "FORMAT_APPLIANCE",
    "FORMAT_SCAN",
    "GENERATION_APPLIANCE",
    "GENERATION_SCAN",
    "OS_APPLIANCE",
    "OS_SCAN",
    "SCAN",
    "SOFTWARE_BUNDLE",
]


class StatDataPoint(UForgeObject):
    """One value at one time."""

    ELEMENT: ClassVar[str | None] = "statDataPoint"

    date: DateTime | None = None
    distrib_arch: str | None = None
    distrib_name: str | None = None
    distrib_version: str | None = None
    end_date: DateTime | None = None
    error_message: str | None = None
    message: str | None = None
    name: str | None = None
    nb: Long | None = None
    percentage: Float | None = None
    start_date: DateTime | None = None
    total: Long | None = None
    type: str | None = None
    user_crm_id: str | None = None
    version: str | None = None


class StatDataPoints(UForgeObjects):
    """Values over time."""

    ELEMENT: ClassVar[str | None] = "statDataPoints"

    stat_data_points: Annotated[list[StatDataPoint], Items("statDataPoint")] = Field(default_factory=list)


class StatTicket(UForgeObject):
    """One thing that somebody did."""

    ELEMENT: ClassVar[str | None] = "statTicket"

    action_id: Long | None = None
    action_name: StatTicketActionName | None = None
    currency: str | None = None
    date: DateTime | None = None
    description: str | None = None
    disk_size: Long | None = None
    distribution_id: Long | None = None
    distribution_name: str | None = None
    format_id: Long | None = None
    format_name: str | None = None
    from_object_id: Long | None = None
    from_object_name: str | None = None
    from_object_type: str | None = None
    object_id: Long | None = None
    object_name: str | None = None
    object_status: str | None = None
    object_type: str | None = None
    org_id: Long | None = None
    price: Float | None = None
    uri: str | None = None
    user_id: Long | None = None
    user_login_name: str | None = None


class StatTickets(UForgeObjects):
    """What was done."""

    ELEMENT: ClassVar[str | None] = "statTickets"

    stat_tickets: Annotated[list[StatTicket], Items("statTicket")] = Field(default_factory=list)


class UserStat(UForgeObject):
    """What a user has of one kind, over time."""

    ELEMENT: ClassVar[str | None] = "userStat"

    type: UserStatType | None = None
    curr_nb: Int | None = None
    data_points: Annotated[list[StatDataPoint] | None, Items("dataPoint")] = None


class UserStats(Message):
    """What a user has, over time."""

    ELEMENT: ClassVar[str | None] = "userStats"

    stats: Annotated[list[UserStat], Items("stat")] = Field(default_factory=list)


class ApplianceStats(Message):
    """How many appliances there are and were."""

    ELEMENT: ClassVar[str | None] = "applianceStats"

    curr: Int | None = None
    curr_os_usage: Annotated[list[StatDataPoint] | None, Items("statDataPoint")] = Field(
        default=None, alias="currOSUsage"
    )
    curr_shared: Int | None = None
    curr_shared_public: Int | None = None
    curr_usage: Annotated[list[StatDataPoint] | None, Items("statDataPoint")] = None
    total: Int | None = None
    total_os_usage: Annotated[list[StatDataPoint] | None, Items("statDataPoint")] = Field(
        default=None, alias="totalOSUsage"
    )
    total_shared: Int | None = None
    total_shared_public: Int | None = None
    total_usage: Annotated[list[StatDataPoint] | None, Items("statDataPoint")] = None


class ImageStats(Message):
    """How many images there are and were."""

    ELEMENT: ClassVar[str | None] = "imageStats"

    curr: Int | None = None
    curr_downloaded: Int | None = None
    curr_format_usage: Annotated[list[StatDataPoint] | None, Items("statDataPoint")] = None
    curr_published: Int | None = None
    total: Int | None = None
    total_downloaded: Int | None = None
    total_format_usage: Annotated[list[StatDataPoint] | None, Items("statDataPoint")] = None
    total_published: Int | None = None


class ScanStats(Message):
    """How many scans there are and were."""

    ELEMENT: ClassVar[str | None] = "scanStats"

    curr_generated: Int | None = None
    curr_imported: Int | None = None
    curr_instances: Int | None = None
    curr_os_usage: Annotated[list[StatDataPoint] | None, Items("statDataPoint")] = Field(
        default=None, alias="currOSUsage"
    )
    curr_scans: Int | None = None
    total_generated: Int | None = None
    total_imported: Int | None = None
    total_instances: Int | None = None
    total_os_usage: Annotated[list[StatDataPoint] | None, Items("statDataPoint")] = Field(
        default=None, alias="totalOSUsage"
    )
    total_scans: Int | None = None

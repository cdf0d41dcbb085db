"""XML and JSON documents: exact forms, and round trips of generated messages."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ingot.messages import codec
from ingot.messages.account import Certificate, CredAccount, CredAccountAws, CredAccountGoogle
from ingot.messages.appliance import Appliance
from ingot.messages.base import Message, OpStatus, UriList
from ingot.messages.distribution import DistribProfile, LinuxProfile
from ingot.messages.image import Image, Images
from ingot.messages.install_profile import Nic
from ingot.messages.table import FieldTable, is_abstract, subtypes, table_of
from ingot.messages.target import ImageFormat, TargetFormat
from tests.unit.messages.test_facts import MESSAGES

_HEAD = (
    "<?xml version='1.0' encoding='UTF-8'?>\n"
    '<u:{0} xmlns:u="http://www.usharesoft.com/uforge" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"{1}>'
)
_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff", include_characters="\t\n\r"),
    max_size=12,
)
_TIME = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1)).map(
    lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000, tzinfo=dt.UTC)
)


def _value(field: FieldTable, depth: int) -> st.SearchStrategy[Any]:
    if field.message is not None:
        if (depth <= 0 and not field.required) or not subtypes(field.message):
            return st.none()
        return st.sampled_from(sorted(subtypes(field.message).values(), key=str)).flatmap(
            lambda subtype: _message(subtype, depth - 1)
        )
    if field.choices:
        return st.sampled_from(field.choices)
    return {
        "text": _TEXT,
        "boolean": st.booleans(),
        "int": st.integers(-(2**31), 2**31 - 1),
        "long": st.integers(-(2**63), 2**63 - 1),
        "integer": st.integers(-(10**19), 10**19),
        "float": st.floats(width=32, allow_nan=False, allow_infinity=False),
        "time": _TIME,
        "binary": st.binary(max_size=8),
    }[field.kind]


@st.composite
def _message(draw: st.DrawFn, message: type[Message], depth: int) -> Message:
    fields = table_of(message).fields
    required = [field for field in fields if message.model_fields[field.attribute].is_required()]
    chosen = {field.attribute: field for field in [*draw(st.lists(st.sampled_from(fields), max_size=6)), *required]}
    values: dict[str, Any] = {}
    for field in chosen.values():
        one = _value(field, depth)
        values[field.attribute] = draw(st.lists(one, max_size=2)) if field.is_list else draw(one)
        if field.is_list:
            values[field.attribute] = [value for value in values[field.attribute] if value is not None]
    return message.model_validate(values, by_name=True)


_DOCUMENTS = [name for name, message in sorted(MESSAGES.items()) if message.ELEMENT and not is_abstract(message)]


@pytest.mark.parametrize("name", _DOCUMENTS)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_generated_messages_survive_both_forms(name: str, data: st.DataObject) -> None:
    message = data.draw(_message(MESSAGES[name], 2))
    assert codec.from_xml(codec.to_xml(message), type(message)) == message
    assert codec.from_json(codec.to_json(message), type(message)) == message


def test_an_empty_list_keeps_its_wrapper() -> None:
    assert codec.to_xml(Images(total=0)).decode() == (
        _HEAD.format("images", "") + "<total>0</total><images></images></u:images>"
    )
    assert codec.to_json(Images(total=0)) == b'{"images":{"total":0,"images":{"image":[]}}}'


def test_fields_stand_in_the_order_of_the_schema() -> None:
    created = dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    image = Image(version="1.0", name="a<b&c>", compress=True, db_id=7, created=created, sha256sum="ab", size=3)
    assert codec.to_xml(image).decode() == (
        _HEAD.format("image", "") + "<created>2026-11-24T07:30:00Z</created><dbId>7</dbId><sha256sum>ab</sha256sum>"
        "<size>3</size><compress>true</compress><name>a&lt;b&amp;c&gt;</name><version>1.0</version></u:image>"
    )


def test_a_subtype_says_which_it_is() -> None:
    account = codec.to_xml(CredAccountAws(name="a"))
    assert (
        account.decode()
        == _HEAD.format("credAccount", ' xsi:type="u:CredAccountAws"') + "<name>a</name></u:credAccount>"
    )
    assert codec.from_xml(account, CredAccount) == CredAccountAws(name="a")
    profile = codec.to_xml(LinuxProfile(name="Minimal"), DistribProfile)
    assert b"<u:distribProfile " in profile
    assert b'xsi:type="u:LinuxProfile"' in profile
    assert codec.from_xml(profile, DistribProfile) == LinuxProfile(name="Minimal")
    assert codec.from_json(codec.to_json(LinuxProfile(name="x"), DistribProfile), DistribProfile) == LinuxProfile(
        name="x"
    )


def test_nonsense_types_of_plain_elements_are_ignored() -> None:
    text = (
        '<ns1:image xmlns:ns1="http://www.usharesoft.com/uforge" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xmlns:ns2="http://www.w3.org/2001/XMLSchema" xsi:type="ns1:Image"><name xsi:type="ns2:string">x</name>'
        '<targetFormat xsi:type="ns1:nothing"><name>QCOW2</name></targetFormat></ns1:image>'
    )
    assert codec.from_xml(text.encode(), Image) == Image(name="x", target_format=TargetFormat(name="QCOW2"))


def test_control_characters_cannot_break_a_document() -> None:
    status = OpStatus(message="a\x00b\x1bc\ud800\uffff\r\n\t")
    for message in (
        codec.from_xml(codec.to_xml(status), OpStatus),
        codec.from_json(codec.to_json(status), OpStatus),
    ):
        assert message.message == "a\ufffdb\ufffdc\ufffd\ufffd\r\n\t"


def test_times_are_in_utc_and_have_milliseconds_only_where_there_are_any() -> None:
    status = OpStatus(created=dt.datetime(2026, 11, 24, 9, 30), eta=dt.datetime(2026, 11, 24, 9, 30, 1, 2999, dt.UTC))
    assert codec.to_xml(status).decode() == (
        _HEAD.format("status", "")
        + "<created>2026-11-24T09:30:00Z</created><eta>2026-11-24T09:30:01.002Z</eta></u:status>"
    )
    assert codec.to_json(status) == (
        b'{"status":{"created":"2026-11-24T09:30:00.000Z","eta":"2026-11-24T09:30:01.002Z"}}'
    )


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2019-06-05T21:43:46Z", dt.datetime(2019, 6, 5, 21, 43, 46)),
        ("2019-06-05T21:43:46.5Z", dt.datetime(2019, 6, 5, 21, 43, 46, 500_000)),
        ("2019-06-05T21:43:46.123456789+02:00", dt.datetime(2019, 6, 5, 19, 43, 46, 123_000)),
        ("2019-06-05T21:43:46", dt.datetime(2019, 6, 5, 21, 43, 46)),
        (" 2019-06-05T21:43:46-00:30\n", dt.datetime(2019, 6, 5, 22, 13, 46)),
    ],
)
def test_times_are_read_with_fractions_and_zones_and_without(text: str, time: dt.datetime) -> None:
    image = codec.from_xml(f"<image><created>{text}</created></image>".encode(), Image)
    assert image == Image(created=time.replace(tzinfo=dt.UTC))


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_booleans_are_words_or_digits(text: str, value: bool) -> None:
    assert codec.from_xml(f"<image><compress>{text}</compress></image>".encode(), Image).compress is value


def test_empty_booleans_and_numbers_have_their_zero() -> None:
    image = codec.from_xml(b"<image><dbId/><compress/><name/></image>", Image)
    assert (image.db_id, image.compress, image.name) == (0, False, "")


def test_a_certificate_travels_as_base64() -> None:
    account = CredAccountGoogle(certificates=[Certificate(content=b"\x00key")])
    assert codec.to_xml(account).decode() == _HEAD.format("credAccount", ' xsi:type="u:CredAccountGoogle"') + (
        "<certificates><certificate><content>AGtleQ==</content></certificate></certificates></u:credAccount>"
    )
    wrapped = b'{"@type":"CredAccountGoogle","certificates":{"certificate":[{"content":"AGtl\\neQ=="}]}}'
    assert codec.from_json(wrapped, CredAccount) == account


def test_addresses_are_a_list_without_a_wrapper_of_its_own() -> None:
    appliance = Appliance(image_uris=UriList(uri=["users/u/appliances/1/images/1", "users/u/appliances/1/images/2"]))
    assert codec.to_xml(appliance).decode() == _HEAD.format("appliance", "") + (
        "<imageUris><uri>users/u/appliances/1/images/1</uri><uri>users/u/appliances/1/images/2</uri></imageUris>"
        "</u:appliance>"
    )
    assert codec.to_json(Appliance(image_uris=UriList())) == b'{"appliance":{"imageUris":{"uri":[]}}}'


def test_what_a_network_interface_must_have_is_written_as_nil() -> None:
    assert codec.to_xml(Nic(name="eth0")).decode() == (
        _HEAD.format("nic", "") + '<name>eth0</name><order xsi:nil="true"/></u:nic>'
    )
    assert codec.from_xml(codec.to_xml(Nic(name="eth0")), Nic) == Nic(name="eth0")


def test_elements_that_inherit_the_namespace_are_known() -> None:
    text = b'<images xmlns="http://www.usharesoft.com/uforge"><images><image><name>x</name></image></images></images>'
    assert codec.from_xml(text, Images) == Images(images=[Image(name="x")])


@pytest.mark.parametrize(
    "text",
    [
        b'{"images":{"images":{"image":[{"name":"x"}]}}}',
        b'{"images":{"image":[{"name":"x"}]}}',
        b'\xef\xbb\xbf{"images":[{"name":"x"}], "total": null}',
        b'{"images":{"images":{"image":{"name":"x"}}}}',
    ],
)
def test_json_is_read_with_the_root_element_and_without(text: bytes) -> None:
    assert codec.from_json(text, Images) == Images(images=[Image(name="x")])


def test_an_abstract_message_is_never_written() -> None:
    for write in (codec.to_xml, codec.to_json):
        with pytest.raises(TypeError, match="CredAccount is abstract"):
            write(Image(cred_account=CredAccount(name="x")))


def test_wrong_values_are_refused_when_they_are_set() -> None:
    image_format = ImageFormat(name="qcow2")
    with pytest.raises(ValidationError):
        image_format.name = "qcow3"  # type: ignore[assignment]
    with pytest.raises(ValidationError):
        image_format.db_id = 2**63
    with pytest.raises(ValidationError):
        ImageFormat(name="qcow3")

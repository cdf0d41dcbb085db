"""XML and JSON documents: exact forms, round trips of generated messages, and hostile input."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingot.messages import codec
from ingot.messages.account import CredAccount, CredAccountAws
from ingot.messages.base import Message, OpStatus
from ingot.messages.codec import MalformedMessageError
from ingot.messages.distribution import DistribProfile, LinuxProfile
from ingot.messages.image import Image, Images
from ingot.messages.table import FieldTable, is_abstract, subtypes, table_of
from ingot.messages.target import ImageFormat, TargetFormat
from tests.unit.messages.test_facts import MESSAGES, _choices

_HEAD = (
    "<?xml version='1.0' encoding='UTF-8'?>\n"
    '<u:{0} xmlns:u="http://www.usharesoft.com/uforge" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"{1}>'
)
_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12)
_TIME = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1)).map(
    lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000, tzinfo=dt.UTC)
)


def _value(message: type[Message], field: FieldTable, depth: int) -> st.SearchStrategy[Any]:
    if field.message is not None:
        if depth == 0 or not subtypes(field.message):
            return st.none()
        return st.sampled_from(sorted(subtypes(field.message).values(), key=str)).flatmap(
            lambda subtype: _message(subtype, depth - 1)
        )
    choices = _choices(message.model_fields[field.attribute].annotation)
    if choices:
        return st.sampled_from(choices)
    return {
        "text": _TEXT,
        "boolean": st.booleans(),
        "number": st.integers(-(2**31), 2**31 - 1),
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
        one = _value(message, field, depth)
        values[field.attribute] = draw(st.lists(one, max_size=2)) if field.is_list else draw(one)
        if field.is_list:
            values[field.attribute] = [value for value in values[field.attribute] if value is not None]
    return message.model_validate(values, by_name=True)


_DOCUMENTS = [name for name, message in sorted(MESSAGES.items()) if message.ELEMENT and not is_abstract(message)]


@pytest.mark.parametrize("name", _DOCUMENTS)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
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
    written = codec.to_xml(OpStatus(message="a\x00b\x1bc"))
    assert codec.from_xml(written, OpStatus).message == "a\ufffdb\ufffdc"


def test_empty_booleans_and_numbers_have_their_zero() -> None:
    image = codec.from_xml(b"<image><dbId/><compress/><name/></image>", Image)
    assert (image.db_id, image.compress, image.name) == (0, False, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "empty"),
        (b"<image", "malformed"),
        (b"<images></images>", "root element is images"),
        (b"<image><nam>x</nam></image>", "Did you mean name"),
        (b"<image><dbId>seven</dbId></image>", "'seven' is no whole number"),
        (b"<image><dbId>99999999999999999999</dbId></image>", "image/dbId"),
        (b"<image><compress>True</compress></image>", "use true or false"),
        (b"<image><created>yesterday</created></image>", "image/created"),
        (b"<image><name><b/></name></image>", "holds elements"),
        (b"<image><targetFormat><type>cloudy</type></targetFormat></image>", "'cloud'"),
        (b"<image><credAccount><name>x</name></credAccount></image>", "needs an xsi:type"),
        (b"<!DOCTYPE image [<!ENTITY e 'x'>]><image><name>&e;</name></image>", "DOCTYPE"),
        (b"<!DOCTYPE image SYSTEM 'file:///etc/passwd'><image/>", "DOCTYPE"),
        (b"\xff\xfe\x00", "malformed"),
    ],
)
def test_what_is_wrong_in_xml_is_named(text: bytes, words: str) -> None:
    with pytest.raises(MalformedMessageError, match=words):
        codec.from_xml(text, Image)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "malformed"),
        (b'{"image":', "malformed at line 1"),
        (b"[]", "should be an object"),
        (b'{"nam":"x"}', "Did you mean name"),
        (b'{"name":1}', "should be a text, but it is a number"),
        (b'{"dbId":true}', "should be a number, but it is a boolean"),
        (b'{"name":"a","name":"b"}', "twice"),
        (b'{"credAccount":{"name":"x"}}', "@type"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_in_json_is_named(text: bytes, words: str) -> None:
    with pytest.raises(MalformedMessageError, match=words):
        codec.from_json(text, Image)


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MalformedMessageError, match=r"'qcow3'.*'qcow2'"):
        codec.from_xml(b"<imageFormat><name>qcow3</name></imageFormat>", ImageFormat)


@pytest.mark.parametrize(
    "text",
    [
        b"<image>" * 7_000_000,
        b"<image>" + b"<name>x</name>" * 3_500_000 + b"</image>",
        b"<!DOCTYPE i [<!ENTITY a 'aaaaaaaaaa'>"
        + b"".join(b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;" * 10) for n in range(9))
        + b"]><image><name>&a8;</name></image>",
    ],
    ids=["deep", "long", "entities"],
)
def test_fifty_megabytes_of_mischief_are_refused_without_reading_them_all(text: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        codec.from_xml(text, Image)

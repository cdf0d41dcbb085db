"""Documents that are no message: every one is refused, says what is wrong where, and costs little."""

import pytest

from ingot.messages import codec, values
from ingot.messages.codec import MalformedMessageError
from ingot.messages.common import Category
from ingot.messages.image import Image
from ingot.messages.install_profile import InstallProfile, Nic
from ingot.messages.target import ImageFormat


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<image", "malformed"),
        (b"<image></images>", "malformed.*line 1, column"),
        (b"<image><name>&e;</name></image>", "malformed"),
        (b"<image><name>\x00</name></image>", "malformed"),
        (b"<image><name>&#0;</name></image>", "malformed"),
        (b"<images></images>", "root element is images; expected is image"),
        (b'<image xmlns="urn:other"/>', "namespace urn:other"),
        (b"<image><nam>x</nam></image>", "^image: there is no element nam here. Did you mean name"),
        (b"<image>words<name>x</name></image>", "^image: has the text 'words'"),
        (b"<image><name>x</name><name>x</name></image>", "^image/name: stands twice"),
        (b"<image><dbId>seven</dbId></image>", "^image/dbId: 'seven' is no whole number"),
        ("<image><dbId>٣</dbId></image>".encode(), "no whole number"),
        (b"<image><dbId>1_000</dbId></image>", "no whole number"),
        (b"<image><dbId>1.0</dbId></image>", "no whole number"),
        (b"<image><dbId>9223372036854775808</dbId></image>", "^image/dbId: 9223372036854775808 is out of range"),
        (b"<image><revision>2147483648</revision></image>", "-2147483648 to 2147483647"),
        (b"<image><dbId>" + b"9" * 100_000 + b"</dbId></image>", "no whole number"),
        (b"<image><compress>True</compress></image>", "use true or false"),
        (b"<image><created>yesterday</created></image>", "^image/created: 'yesterday' is no time"),
        (b"<image><created>2019-06-05</created></image>", "is no time: write it like 20"),
        (b"<image><created>2019-06-05 21:43:46</created></image>", "is no time"),
        (b"<image><created>2019-06-05T21:43:46+0200</created></image>", "is no time"),
        (b"<image><created>2019-13-05T21:43:46Z</created></image>", "is no time"),
        (b"<image><created>0001-01-01T00:00:00+02:00</created></image>", "is no time"),
        (b"<image><created>1528</created></image>", "is no time"),
        (b"<image><created/></image>", "is no time"),
        (b"<image><name><b/></name></image>", "^image/name: holds elements"),
        (b"<image><targetFormat><type>cloudy</type></targetFormat></image>", "image/targetFormat/type.*'cloud'"),
        (b"<image><credAccount><name>x</name></credAccount></image>", "^image/credAccount: it needs an xsi:type"),
        (
            b'<image xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            b'<credAccount xsi:type="u:CredAccountMoon"/></image>',
            "CredAccountAws.*not CredAccountMoon",
        ),
        (b"<!DOCTYPE image [<!ENTITY e 'x'>]><image><name>&e;</name></image>", "DOCTYPE"),
        (b"<?xml version='1.0'?> <!-- > --><?a b?>\n<!DOCTYPE image SYSTEM 'file:///etc/passwd'><image/>", "DOCTYPE"),
        (b"<?xml version='1.0' encoding='UTF-7'?>+ADw-image+AD4-", "in utf-7. Send it in UTF-8"),
        ("<?xml version='1.0' encoding='UTF-16'?><image/>".encode("utf-16"), "malformed"),
        ("<!DOCTYPE image><image/>".encode("utf-16-le"), "malformed"),
        ("<!DOCTYPE image><image/>".encode("cp500"), "malformed"),
        (b"\xff\xfe\x00", "malformed"),
        (b"<image><name>\xff</name></image>", "malformed"),
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
        (b"[]", "^image: should be an object, but it is a list"),
        (b"null", "should be an object, but it is null"),
        (b'{"image":[]}', "should be an object"),
        (b'{"nam":"x"}', "^image: there is no element nam here. Did you mean name"),
        (b'{"name":1}', "should be a text, but it is a number"),
        (b'{"name":["x"]}', "should be a text, but it is a list"),
        (b'{"dbId":true}', "^image/dbId: should be a whole number, but it is a boolean"),
        (b'{"dbId":1.0}', "should be a whole number, but it is a number .1.0."),
        (b'{"dbId":NaN}', "NaN"),
        (b'{"dbId":9223372036854775808}', "out of range"),
        (b'{"dbId":' + b"9" * 5000 + b"}", "malformed"),
        (b'{"compress":1}', "should be a boolean"),
        (b'{"created":1528}', "should be a time"),
        (b'{"created":"2019-06-05"}', "is no time"),
        (b'{"name":"a","name":"b"}', "'name' twice"),
        (b'{"name":"\\u0000"}', "^image/name: the text has the character U.0000"),
        (b'{"name":"\\ud800"}', "U.D800"),
        (b'{"credAccount":{"name":"x"}}', "@type.*CredAccountAws"),
        (b'{"credAccount":{"@type":["x"]}}', "@type"),
        (b'{"installProfile":{"nics":{"nics":[]}}}', "^image/installProfile/nics: unknown key 'nics'.*'nic'"),
        (b'{"installProfile":{"nics":{"nic":[{},{"name":5}]}}}', r"nics/nic\[1\]/name: should be a text"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_in_json_is_named(text: bytes, words: str) -> None:
    with pytest.raises(MalformedMessageError, match=words):
        codec.from_json(text, Image)


def test_what_must_be_there_is_named() -> None:
    with pytest.raises(MalformedMessageError, match=r"^nic/ipAddresses/ipAddress\[0\]/type: is missing"):
        codec.from_xml(b"<nic><ipAddresses><ipAddress/></ipAddresses></nic>", Nic)
    with pytest.raises(MalformedMessageError, match=r"ipAddress\[0\]/type: is missing"):
        codec.from_json(b'{"ipAddresses":{"ipAddress":[{"type":null}]}}', Nic)


def test_of_many_choices_the_near_ones_are_named() -> None:
    with pytest.raises(
        MalformedMessageError, match=r"'qcow3' is not one of the 39 possible values; did you mean 'qcow2'"
    ):
        codec.from_xml(b"<imageFormat><name>qcow3</name></imageFormat>", ImageFormat)
    with pytest.raises(MalformedMessageError, match=r"it can be 'ar-azerty', .*'us-acentos'"):
        codec.from_json(b'{"keyboard":"0000"}', InstallProfile)


def test_a_path_that_is_very_long_is_shortened() -> None:
    deep = b'{"subCategories":{"category":[' * 20 + b'{"nam":1}' + b"]}}" * 20
    with pytest.raises(
        MalformedMessageError, match=r"^category/subCategories/.*/…/.*there is no element nam"
    ) as caught:
        codec.from_json(deep, Category)
    assert len(str(caught.value)) < 250


_DEEP = 200
_MANY = values.MOST_VALUES + 1
_HOSTILE_XML = {
    "50 MB": (b"<image>" * 7_000_000, "bytes; at most"),
    "deep": (b"<images>" * 3_000_000, "more than 400000 elements"),
    "deep, but every element is known": (
        b"<category>" + b"<subCategories><category>" * _DEEP + b"</category></subCategories>" * _DEEP + b"</category>",
        "malformed.*depth|nested deeper",
    ),
    "deeper than messages, but not than parsers": (
        b"<category>" + b"<subCategories><category>" * 60 + b"</category></subCategories>" * 60 + b"</category>",
        "nested deeper than 48 messages",
    ),
    "as deep as a parser goes": (b"<category>" + b"<subCategories><category>" * 100_000, "malformed.*depth"),
    "long": (b"<category><subCategories>" + b"<category/>" * _MANY, "more than 400000 elements"),
    "comments": (b"<category>" + b"<!---->" * _MANY + b"</category>", "more than 400000 elements"),
    "one long text": (b"<category><name>" + b"x" * 20_000_000 + b"</name></category>", "malformed.*too long"),
    "entities": (
        b"<!DOCTYPE i [<!ENTITY a 'aaaaaaaaaa'>"
        + b"".join(b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;" * 10) for n in range(9))
        + b"]><category><name>&a8;</name></category>",
        "DOCTYPE",
    ),
    "a DOCTYPE of 20 MB": (b"<!DOCTYPE i [<!ENTITY a '" + b"x" * 20_000_000 + b"'>]><category/>", "DOCTYPE"),
    "a long way to the DOCTYPE": (b"<!-- -->" * 300_000 + b"<!DOCTYPE category><category/>", "DOCTYPE"),
    "a comment without an end": (b"<!--" * 300_000, "malformed"),
}


@pytest.mark.parametrize(("text", "words"), _HOSTILE_XML.values(), ids=_HOSTILE_XML)
def test_xml_that_would_cost_much_is_refused(text: bytes, words: str) -> None:
    with pytest.raises(MalformedMessageError, match=words):
        codec.from_xml(text, Category)


_HOSTILE_JSON = {
    "50 MB": (b"[" * 50_000_000, "bytes; at most"),
    "lists": (b'{"name":[' + b"[]," * _MANY + b"[]]}", "more than 400000 values"),
    "keys": (b"{" + b",".join(b'"%d":0' % number for number in range(_MANY)) + b"}", "more than 400000 values"),
    "deep, but every key is known": (
        b'{"subCategories":{"category":[' * _DEEP + b"{}" + b"]}}" * _DEEP,
        "nested deeper than 48 messages",
    ),
}


@pytest.mark.parametrize(("text", "words"), _HOSTILE_JSON.values(), ids=_HOSTILE_JSON)
def test_json_that_would_cost_much_is_refused(text: bytes, words: str) -> None:
    with pytest.raises(MalformedMessageError, match=words):
        codec.from_json(text, Category)

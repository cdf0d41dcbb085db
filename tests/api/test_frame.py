"""What every operation has in common, seen on the wire."""

import base64
import email.utils
import re
from collections.abc import Iterator

import httpx
import pytest
from lxml import etree

from tests.api.conftest import PASSWORD, Site


def _error(response: httpx.Response) -> dict[str, str]:
    assert response.headers["content-type"] == "application/xml"
    document = etree.fromstring(response.content)
    assert document.tag == "{http://www.usharesoft.com/uforge}uforgeError"
    return {element.tag: element.text or "" for element in document.iter() if element is not document}


@pytest.fixture
def plain(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.address) as client:
        yield client


@pytest.mark.parametrize("base", ["/api", "/ufws", "//api/", "/api//"])
def test_the_status_needs_no_login_under_every_base(site: Site, base: str) -> None:
    response = httpx.get(f"{site.address}{base}/status", auth=("nobody", "wrong"))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/xml"
    assert etree.fromstring(response.content).findtext("version") == "3.8.13"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/xml"),
        ("*/*", "application/xml"),
        ("application/json", "application/json"),
        ("application/xml;q=0.2, application/json;q=0.9", "application/json"),
        ("text/html, application/xml;q=0.9, */*;q=0.8", "application/xml"),
    ],
)
def test_the_form_of_an_answer_is_negotiated(plain: httpx.Client, accept: str | None, expected: str) -> None:
    headers = {"Accept": accept} if accept else {"Accept": ""}
    assert plain.get("/api/status", headers=headers).headers["content-type"] == expected


def test_no_acceptable_form_is_406(plain: httpx.Client) -> None:
    response = plain.get("/api/status", headers={"Accept": "image/png"})
    assert response.status_code == 406
    assert "image/png" in _error(response)["message"]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/elsewhere", 404),
        ("PATCH", "/api/status", 405),
        ("PUT", "/api/status", 405),
    ],
)
def test_unknown_routes_and_methods_are_errors_too(plain: httpx.Client, method: str, path: str, code: int) -> None:
    response = plain.request(method, path)
    assert response.status_code == code
    error = _error(response)
    assert (error["statusCode"], error["requestMethod"], error["requestUri"]) == (str(code), method, path)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer abc",
        "Basic !!!",
        "Basic " + base64.b64encode(b"root").decode(),
        "Basic " + base64.b64encode(b"root:wrong").decode(),
        "Basic " + base64.b64encode(b"nobody:" + PASSWORD.encode()).decode(),
    ],
)
def test_bad_credentials_are_401_with_a_challenge(plain: httpx.Client, authorization: str | None) -> None:
    response = plain.get("/api/users/root", headers={"Authorization": authorization} if authorization else {})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Basic ")
    assert _error(response)["messageId"] == "ERROR.AUTHENTICATION.INVALID"


def test_a_supervisor_acts_as_somebody_else(plain: httpx.Client) -> None:
    response = plain.get("/api/users/bob", auth=("root\\bob", PASSWORD))
    assert response.status_code == 200
    assert plain.get("/api/users/bob", auth=("carol\\bob", PASSWORD)).status_code == 403


def test_other_people_look_absent(alice: httpx.Client) -> None:
    assert alice.get("users/bob").status_code == 404
    assert alice.get("users/nobody").status_code == 404


def test_a_missing_entitlement_is_named(site: Site) -> None:
    with site.client("carol") as carol:
        response = carol.get("users/carol/appliances")
    assert response.status_code == 403
    assert "appliance_create" in response.json()["uforgeError"]["localizedErrorMsg"]["message"]


def test_an_unchanged_object_is_not_sent_again(root: httpx.Client) -> None:
    first = root.get("users/root")
    tag = first.headers["etag"]
    assert tag == f'"{first.json()["user"]["digest"]}"'
    for header in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = root.get("users/root", headers={"If-None-Match": header})
        assert (again.status_code, again.content) == (304, b"")
    assert root.get("users/root", headers={"If-None-Match": '"other"'}).status_code == 200
    modified = first.headers["last-modified"]
    assert root.get("users/root", headers={"If-Modified-Since": modified}).status_code == 304
    assert root.get("users/root", headers={"If-Modified-Since": email.utils.formatdate(0)}).status_code == 200
    both = {"If-None-Match": '"other"', "If-Modified-Since": modified}
    assert root.get("users/root", headers=both).status_code == 200


def test_a_list_changes_its_tag_with_its_content(root: httpx.Client, make_appliance) -> None:  # type: ignore[no-untyped-def]
    before = root.get("users/root/appliances").headers["etag"]
    make_appliance()
    assert root.get("users/root/appliances").headers["etag"] != before


def test_xml_is_read_whatever_it_is_labelled(root: httpx.Client, site: Site) -> None:
    text = (
        "<appliance><name>labelled</name><version>1</version>"
        "<distributionUri>distributions/1</distributionUri></appliance>"
    )
    for media_type in ("application/xml", "text/xml; charset=utf-8", "application/octet-stream"):
        response = root.post("users/root/appliances", content=text, headers={"Content-Type": media_type})
        assert response.status_code == 201, response.text
        root.delete(response.json()["appliance"]["uri"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body is missing"),
        (b"<appliance><name>x</nam></appliance>", "malformed"),
        (
            b"<!DOCTYPE appliance [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><appliance><name>&x;</name></appliance>",
            "DOCTYPE",
        ),
        (b"<appliance><nmae>x</nmae></appliance>", "Did you mean name"),
        (b"<appliance><revision>many</revision></appliance>", "no whole number"),
        (b"<image/>", "expected is appliance"),
        (b"<appliance>" * 1_000_000, "depth|nested|elements"),
        (
            b"<appliance><version>1</version><distributionUri>distributions/1</distributionUri></appliance>",
            "name is missing",
        ),
        (
            b"<appliance><name>x</name><version>1</version><distributionUri>nowhere</distributionUri></appliance>",
            "nowhere",
        ),
        (
            b"<appliance><name>x</name><version>1</version><distributionUri>distributions/99</distributionUri></appliance>",
            "99",
        ),
    ],
)
def test_bad_bodies_are_refused_with_a_reason(root: httpx.Client, body: bytes, words: str) -> None:
    response = root.post(
        "users/root/appliances", content=body, headers={"Content-Type": "application/xml", "Accept": "application/xml"}
    )
    assert response.status_code == 400
    assert re.search(words, _error(response)["message"])


def test_a_body_that_is_too_large_is_413(root: httpx.Client) -> None:
    response = root.post("users/root/appliances", content=b"<appliance>" + b" " * 21_000_000)
    assert response.status_code == 413
    assert response.json()["uforgeError"]["statusCode"] == 413


def test_secrets_of_the_query_are_not_repeated(plain: httpx.Client) -> None:
    response = plain.get("/api/nothing?downloadId=hush&x=1")
    assert "hush" not in response.text
    assert "x=1" in _error(response)["requestUri"]


def test_the_operations_are_listed_for_people_and_programs(plain: httpx.Client) -> None:
    document = plain.get("/openapi.json").json()
    assert (
        document["paths"]["/api/users/{uid}/appliances/{aid}/images"]["post"]["operationId"] == "machineImage_generate"
    )
    page = plain.get("/docs")
    assert "machineImage_generate" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "ingot_http_requests_total" in plain.get("/metrics").text

"""`ingot account` against a real server."""

import json

from tests.serving import Command


def test_accounts_are_made_listed_and_deleted(ingot: Command) -> None:
    assert json.loads(ingot("account", "list", "--output", "json")) == []
    (ingot.home / "password").write_text("hush-hush\n")
    fields = ("endpointUrl=https://d.example", "login=me", "password=@password")
    made = ingot("account", "create", "hub", "--type", "docker", *fields)
    assert "https://d.example" in made
    stdin = "hush-hush\n"
    s3 = ("account", "create", "store", "--type", "S3", "accessKeyId=AK", "--secret-stdin")
    store = json.loads(ingot(*s3, "--output", "json", stdin=stdin))
    assert (store["accessKeyId"], store["secretsMissing"]) == ("AK", False)
    # Accounts that only we know are there, too.
    listed = ingot("account", "list")
    assert "docker" in listed
    assert "s3" in listed
    assert "hush" not in made + listed + ingot("account", "list", "--output", "json") + json.dumps(store)
    assert "already has" in ingot(*s3, code=4, stdin=stdin)
    assert "hub is deleted" in ingot("account", "delete", "hub", "--yes")
    assert "no cloud account stoer. Did you mean store?" in ingot("account", "delete", "stoer", "--yes", code=3)
    assert "store is deleted" in ingot("account", "delete", str(store["dbId"]), "--yes")


def test_a_key_of_google_comes_from_its_file(ingot: Command) -> None:
    (ingot.home / "key.json").write_text(json.dumps({"client_email": "a@b.example", "private_key": "hush"}))
    create = ("account", "create", "g", "--type", "google", "--certificate")
    assert "cannot be read" in ingot(*create, "nowhere.json", code=3)
    made = json.loads(ingot(*create, "key.json", "--output", "json"))
    assert (made["secretsMissing"], made["certificates"][0]["uploaded"]) == (False, True)


def test_what_is_wrong_with_an_account_is_said_before_anything_is_sent(ingot: Command) -> None:
    for words, answer in (
        (("--type", "dokcer"), "no account of the type dokcer"),
        (("--type", "docker", "password=hush"), "password is a secret"),
        (("--type", "docker", "endpointUri=x"), "Did you mean endpointUrl?"),
        (("--type", "docker", "login"), "login is no FIELD=VALUE"),
        (("--type", "docker", "login=a", "login=b"), "login is given twice"),
        (("--type", "docker", "login=a"), "secret password is missing"),
        (("--type", "docker", "--certificate", "x"), "has no certificate"),
    ):
        assert answer in ingot("account", "create", "x", *words, code=2)
    assert "cannot be read" in ingot("account", "create", "x", "--type", "webdav", "password=@nowhere", code=3)

"""The commands that talk to a server: what they print, how they end, and what they did there."""

import json
import signal
import tarfile
from typing import Any

import httpx
import pytest

from tests.faults.site import Site, eventually
from tests.serving import PASSWORD, Command

_API = {"Accept": "application/json"}


def _image(address: str, number: int) -> dict[str, Any] | None:
    """An image as the server has it."""
    answer = httpx.get(f"{address}/api/users/root/images?img={number}", auth=("root", PASSWORD), headers=_API)
    images = answer.json()["images"]["images"]["image"]
    return images[0] if images else None


def _generate(ingot: Command, name: str) -> dict[str, Any]:
    """Generate an image without waiting; its document."""
    output = ingot("image", "generate", name, "--format", "qcow2", "--no-wait", "--output", "json")
    document: dict[str, Any] = json.loads(output)
    return document


def test_an_image_from_its_template_to_its_deletion(site: Site, ingot: Command, address: str, name: str) -> None:
    site.add_appliance(name)
    site.let_go(name)
    said = ingot("image", "generate", f"{name}:1", "--format", "QCOW2")
    assert "done" in said
    listed = json.loads(ingot("image", "list", "--output", "json", "--template", name))
    (image,) = listed
    number = str(image["dbId"])
    assert image["targetFormat"]["name"] == "QCOW2"
    assert "downloadKey" not in image
    assert "downloadUri" not in image
    shown = ingot("image", "show", number)
    assert image["sha256sum"] in shown
    assert f"ingot image download {number}" in shown
    packages = ingot("image", "packages", number)
    assert "bash" in packages
    assert "5.2-1" in packages
    assert json.loads(ingot("image", "packages", number, "--output", "json"))[0]["pkg"]["name"] == "bash"
    assert "nothing to cancel" in ingot("image", "cancel", number, code=4)
    assert "Delete this image?" in ingot("image", "delete", number, stdin="n\n", code=1)
    assert _image(address, int(number)) is not None
    assert f"Image {number} is deleted" in ingot("image", "delete", number, "--yes")
    assert _image(address, int(number)) is None
    for command in ("show", "follow", "packages", "cancel", "delete"):
        assert f"no image {number}" in ingot("image", command, number, code=3)


def test_following_shows_each_step_and_ends_with_the_generation(site: Site, ingot: Command, name: str) -> None:
    site.add_appliance(name)
    number = str(_generate(ingot, name)["dbId"])
    site.let_go(name, "started")
    steps = {"packages": "Downloading packages", "install": "Installing packages", "disk": "Creating disk"}
    with ingot.start("image", "follow", number) as process:
        assert process.stderr
        for stage, message in steps.items():
            site.await_stage(name, stage)
            while message not in process.stderr.readline():
                assert process.poll() is None
            site.let_go(name, stage)
        site.let_go(name)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "done" in output


def test_a_failure_is_told_with_its_reason(site: Site, ingot: Command) -> None:
    site.add_appliance("fails-told")
    site.let_go("fails-told")
    said = ingot("image", "generate", "fails-told", "--format", "raw", code=1)
    assert "Package nosuch does not exist." in said
    assert "E: nosuch" in said or "E: \ufffdnosuch" in said
    assert "\x1b" not in said
    assert "failed" in ingot("image", "list", "--template", "fails-told")


def test_a_generation_is_cancelled_and_a_follower_ends(site: Site, ingot: Command, address: str, name: str) -> None:
    site.add_appliance(name)
    number = _generate(ingot, name)["dbId"]
    site.await_stage(name, "started")
    with ingot.start("image", "follow", str(number)) as follower:
        assert "is being cancelled" in ingot("image", "cancel", str(number))
        _, said = follower.communicate(timeout=60)
    assert follower.returncode == 1
    assert "was cancelled" in said
    image = _image(address, number)
    assert image
    assert image["status"]["cancelled"]


def test_interrupting_leaves_the_generation_to_the_server(site: Site, ingot: Command, name: str) -> None:
    site.add_appliance(name)
    with ingot.start("image", "generate", name, "--format", "QCOW2") as process:
        eventually((site.control / f"{name}.started").exists, "the generation begins")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ingot image follow" in said
    assert not site.attempt(name).is_over
    site.let_go(name)
    eventually(lambda: site.attempt(name).is_over, "the generation ends")


def test_a_simulation_has_packages_and_no_file(site: Site, ingot: Command, name: str) -> None:
    site.add_appliance(name)
    site.let_go(name)
    output = ingot("image", "generate", name, "--format", "raw", "--simulate", "--output", "json")
    image = json.loads(output)
    assert image["simulated"]
    assert "simulated" in ingot("image", "list")
    assert "dash" in ingot("image", "packages", str(image["dbId"]))


def test_templates_are_listed_shown_copied_and_deleted(site: Site, ingot: Command, name: str) -> None:
    number = site.add_appliance(name)
    assert name in ingot("template", "list")
    assert name in {row["name"] for row in json.loads(ingot("template", "list", "--output", "json"))}
    for spelling in (name, f"{name}:1", str(number)):
        assert json.loads(ingot("template", "show", spelling, "--output", "json"))["dbId"] == number
    copy = json.loads(ingot("template", "clone", name, "--version", "2", "--output", "json"))
    assert (copy["name"], copy["version"]) == (name, "2")
    assert "several templates" in ingot("template", "show", name, code=4)
    assert "already has" in ingot("template", "clone", f"{name}:2", code=4)
    assert "is deleted" in ingot("template", "delete", f"{name}:2", "--yes")
    assert "Debian 12" in ingot("template", "show", name)


def test_a_template_in_use_is_deleted_only_with_force(site: Site, ingot: Command, name: str) -> None:
    site.add_appliance(name)
    _generate(ingot, name)
    assert "force" in ingot("template", "delete", name, "--yes", code=4)
    assert "is deleted" in ingot("template", "delete", name, "--yes", "--force")
    ingot("template", "show", name, code=3)


@pytest.mark.parametrize("odd", ["it's", 'say "x"', "a:b", "a*", "back\\slash", "[bold]x[/bold]", "a;b,(c)", "größe"])
def test_names_may_have_any_characters(site: Site, ingot: Command, odd: str) -> None:
    number = site.add_appliance(odd)
    assert json.loads(ingot("template", "show", odd, "--output", "json"))["dbId"] == number
    assert odd in ingot("template", "show", f"{odd}:1")
    assert odd in ingot("template", "list")


def test_what_is_not_there_is_named_with_what_is_near(site: Site, ingot: Command) -> None:
    site.add_appliance("proxy-server")
    assert "Did you mean proxy-server?" in ingot("template", "show", "proxy-sever", code=3)
    said = ingot("image", "generate", "proxy-server", "--format", "qcow3", code=3)
    assert "Did you mean QCOW2?" in said
    assert "Did you mean debian:12" in ingot("os", "search", "debain:12", "nginx", code=3)


def test_operating_systems_and_packages_are_found(ingot: Command) -> None:
    assert "Minimal" in ingot("os", "list")
    systems = json.loads(ingot("os", "list", "--output", "json"))
    assert {("Debian", "12"), ("Debian", "13")} <= {(row["name"], row["version"]) for row in systems}
    assert "several operating systems" in ingot("os", "search", "debian", "nginx", code=4)

    def found(words: str) -> set[str]:
        return {
            row["name"] for row in json.loads(ingot("os", "search", "Debian:12:x86_64", words, "--output", "json"))
        }

    assert found("nginx") == {"nginx", "nginx-doc", "libnginx-mod-http-lua"}
    assert found("nginx*") == {"nginx", "nginx-doc"}
    assert found("*doc") == {"nginx-doc"}
    assert found("%_") == {"100%_pure"}
    assert found("nothing-such") == set()
    assert "1.0-1" in ingot("os", "search", "debian:12:x86_64", "openssh")
    assert "leave out" in ingot("os", "search", "debian:12:x86_64", "a;b==c", code=2)
    first = json.loads(ingot("os", "search", "debian:12:x86_64", "nginx", "--limit", "2", "--output", "json"))
    assert [row["name"] for row in first] == ["nginx", "libnginx-mod-http-lua"]


def test_wrong_use_ends_with_2(ingot: Command) -> None:
    for argv in (["image", "show", "x"], ["image", "nothing"], ["template", "list", "--output", "xml"]):
        ingot(*argv, code=2)


def test_a_shell_completes_with_what_the_server_knows(site: Site, ingot: Command, name: str) -> None:
    site.add_appliance(name)

    def completed(words: str) -> str:
        ingot.environment |= {
            "_INGOT_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        }
        return ingot()

    assert f"{name}:1" in completed(f"ingot template show {name[:5]}")
    assert "QCOW2" in completed("ingot image generate x --format Q")
    assert "debian:12" in completed("ingot os search deb").replace("\\", "")
    ingot.environment["INGOT_URL"] = "http://127.0.0.1:1"
    assert completed("ingot template show x").strip() == ""


def test_a_template_file_becomes_a_template_and_an_archive(ingot: Command, name: str) -> None:
    (ingot.home / "setup.sh").write_text("#!/bin/sh\ntrue\n")
    text = f'stack:\n  name: {name}\n  version: "1.10"\n  os: {{name: Debian, version: "12", profile: Minimal}}\n'
    text += "  config: [{name: setup, source: setup.sh, type: bootscript, frequency: firstboot}]\n"
    (ingot.home / "template.yml").write_text(text)
    made = json.loads(ingot("template", "create", "template.yml", "--output", "json"))
    assert (made["name"], made["version"]) == (name, "1.10")
    assert "already" in ingot("template", "create", "template.yml", code=1)
    ingot("template", "create", "template.yml", "--force")
    archive = ingot("template", "export", name).strip()
    with tarfile.open(ingot.home / archive) as file:
        assert "template.yml" in file.getnames()
        assert any(member.startswith("config/") for member in file.getnames())
    assert "already" in ingot("template", "import", archive, code=1)
    ingot("template", "delete", name, "--yes")
    again = json.loads(ingot("template", "import", archive, "-r", "--output", "json"))
    assert (again["name"], again["version"], again["imported"]) == (name, "1.10", True)
    (ingot.home / "broken.tar.gz").write_bytes((ingot.home / archive).read_bytes()[:-50])
    assert "cut off" in ingot("template", "import", "broken.tar.gz", code=1)
    assert "no archive" in ingot("template", "import", "nothing.tar.gz", code=3)


def test_a_bad_template_file_is_not_sent(ingot: Command) -> None:
    (ingot.home / "bad.yml").write_text("stack: {name: x}\n")
    assert "stack.version: is missing" in ingot("template", "create", "bad.yml", code=1)
    assert "no template" in ingot("template", "create", "none.yml", code=3)

"""`ingot template`: work with template files."""

from dataclasses import asdict
from pathlib import Path

import typer

from ingot.build.errors import BuildError
from ingot.build.template_file import TemplateFileError, load_template
from ingot.cli.output import FAILED, NOT_FOUND, REFUSED, Output, fail, print_json, tell

EXAMPLE = """\
# An appliance: what its machines are made of. Check it: ingot template validate template.yml
# Build it here:              ingot build template.yml -o disk.qcow2
# All keys: the reference of templates in the documentation. Sizes are MB.
stack:
  name: web            # names the appliance, and the machine unless installation has a hostname
  version: "1.0"       # in quotes, as YAML would take 1.10 for the number 1.1
  description: A web server
  os:
    name: Debian
    version: "12"      # 12 or 13
    arch: x86_64
    profile: Minimal   # Minimal or Server
    pkgs:              # on top of the profile
      - name: nginx    # the newest; with version and release, exactly that one
      - name: openssh-server
    # updateTo: 2026-06-01      # packages as they were then, for machines that stay the same
  installation:
    # hostname: web
    diskSize: 4096     # left out: as small as the content allows
    swapSize: 256
    timezone: Europe/London
    keyboard: uk       # a console keyboard: us, uk, de, fr, ...
    internetSettings: basic     # the network by DHCP; or describe each interface below nics
    # kernelParams: [quiet]
    welcomeMessage: Welcome to the web server.
    rootUser:
      disablePasswordLogin: true
      sshKeys: []      # - {name: laptop, publicKey: "ssh-ed25519 AAAA..."}
    users:
      - name: admin
        fullName: Administrator
        sudo: 2        # 0 none, 1 with the password, 2 without
        sshKeys: []
    # groups:
    #   - name: ops
  config: []           # scripts beside this file: - {name: setup, source: setup.sh, type: bootscript,
                       #                              frequency: firstboot, order: 1}
"""


def validate(file: Path, output: Output) -> None:
    """Report every mistake of a template file."""
    if not file.exists():
        fail(f"There is no template {file}.", code=NOT_FOUND)
    try:
        template = load_template(file)
    except TemplateFileError as error:
        if output is Output.JSON:
            print_json([asdict(mistake) for mistake in error.mistakes])
            raise typer.Exit(FAILED) from error
        fail(error.message)
    except BuildError as error:
        fail(error.message)
    if output is Output.JSON:
        print_json([])
        return
    tell(f"{file} is a template of {template.name} {template.version} on {template.os.name}.")


def init(file: Path) -> None:
    """Write a commented example; a file that is there stays."""
    try:
        with file.open("x", encoding="utf-8") as output:
            output.write(EXAMPLE)
    except FileExistsError:
        fail(f"{file} is there already. Choose another name.", code=REFUSED)
    tell(f"Wrote {file}. Build it: ingot build {file} -o disk.qcow2")

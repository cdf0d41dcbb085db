"""`ingot template`: work with template files."""

from pathlib import Path

from ingot.build.errors import BuildError
from ingot.build.template_file import load_template
from ingot.cli.output import NOT_FOUND, REFUSED, console, fail

EXAMPLE = """\
# An appliance: what its machines are made of. Build it with: ingot build template.yml -o disk.qcow2
stack:
  name: web            # names the appliance, and the machine unless installation has a hostname
  version: "1.0"
  os:
    name: Debian
    version: "12"      # 12 or 13
    arch: x86_64
    profile: Minimal   # Minimal or Server
    pkgs:              # on top of the profile
      - name: nginx
      - name: openssh-server
  installation:
    diskSize: 4096     # MB; left out: as small as the content allows
    swapSize: 256      # MB
    timezone: Europe/London
    users:
      - name: admin
        fullName: Administrator
        sudo: 2        # 0 none, 1 with the password, 2 without
        sshKeys: []    # - {name: laptop, publicKey: "ssh-ed25519 AAAA…"}
  config: []           # boot scripts: {name, source, type: bootscript, frequency: firstboot, order: 1}
"""


def validate(file: Path) -> None:
    """Report every mistake of a template file."""
    if not file.exists():
        fail(f"There is no template {file}.", code=NOT_FOUND)
    try:
        template = load_template(file)
    except BuildError as error:
        fail(error.message)
    console.print(f"{file} is a template of {template.name} {template.version} on {template.os.name}.", markup=False)


def init(file: Path) -> None:
    """Write a commented example; a file that is there stays."""
    try:
        with file.open("x", encoding="utf-8") as output:
            output.write(EXAMPLE)
    except FileExistsError:
        fail(f"{file} is there already. Choose another name.", code=REFUSED)
    console.print(f"Wrote {file}. Build it: ingot build {file} -o disk.qcow2", markup=False)

"""From a configured tree to the machine's disks: who gets what, what the machine has to know of it, and the disks."""

from collections.abc import Sequence
from pathlib import Path

from ingot.build.disk import grub
from ingot.build.disk.content import divided, make_mount_point, measure
from ingot.build.disk.growth import write_growth
from ingot.build.disk.image import make_disks
from ingot.build.disk.layout import Identities, Layout, fstab
from ingot.build.disk.plan import mount_points, plan
from ingot.build.distributions import Distribution
from ingot.build.template import Installation
from ingot.build.tree import files


def plan_machine(tree: Path, installation: Installation, distribution: Distribution, identities: Identities) -> Layout:
    """Lay out the machine's disks for what is in the tree, which gets its mount points.

    Raises BuildError, with the sizes, when the template's disks are too small for the content.
    """
    points = mount_points(installation)
    for point in points:
        make_mount_point(tree, point)
    return plan(installation, measure(tree, points), identities, distribution.architecture)


def make_machine(
    tree: Path,
    directory: Path,
    layout: Layout,
    installation: Installation,
    distribution: Distribution,
    *,
    parameters: Sequence[str],
    epoch: int,
    scratch: Path,
    log: Path,
) -> None:
    """Make the planned raw disks of the machine in `directory`; the tree gets its boot menu and file system table."""
    files.write(tree, "/etc/fstab", fstab(layout))
    write_growth(tree, layout)
    grub.write_configuration(tree, distribution, layout, parameters=parameters)
    grub.write_esp(tree, distribution, layout)
    boot_code = grub.make_boot_code(tree, distribution, layout, log)
    with divided(tree, mount_points(installation), scratch) as trees:
        make_disks(directory, layout, trees=trees, boot_code=boot_code, epoch=epoch, log=log)

"""A build from beginning to end: template → manifest → packages → tree → disk → format."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ingot.build import bundles, emulation, namespace
from ingot.build.addresses import is_remote
from ingot.build.archives import Limits
from ingot.build.cache import Cache, entry_key, log_of
from ingot.build.contents import Contents
from ingot.build.disk import grub
from ingot.build.disk.files import raw_disks
from ingot.build.disk.layout import Identities
from ingot.build.disk.make import make_machine, plan_machine
from ingot.build.distributions import find_distribution
from ingot.build.errors import BuildError, DiskFullError
from ingot.build.evidence.record import Record
from ingot.build.families import family_of, repository_of
from ingot.build.formats.base import ImageFormat, Source
from ingot.build.formats.registry import find_format
from ingot.build.formats.write import Target, WrittenFile, write
from ingot.build.known import look, write_record
from ingot.build.manifest import Manifest, fitting_bundles, layer_description, make_manifest
from ingot.build.packages.fetch import fetch, in_use, package_pool, without_damage
from ingot.build.packages.lists import ListsState
from ingot.build.packages.repository import ResolvedPackage, split_version
from ingot.build.request import BuildRequest, BuildResult, DiskFile, ImageFile, InstalledPackage, Progress
from ingot.build.tree import network
from ingot.build.tree.bundles import put_in_place
from ingot.build.tree.configure import configure
from ingot.settings import Settings

#: Stages with the percentage of the whole that each begins at.
_STAGES = {
    "dependencies": (0, "Checking dependencies"),
    "packages": (5, "Downloading packages"),
    "install": (12, "Installing packages"),
    "configure": (60, "Setting up the system"),
    "disk": (75, "Creating the disk"),
    "convert": (88, "Writing the image"),
    "finish": (97, "Tidying the cache"),
}
#: What is kept beside a disk: what is in it, and the logs of the stages that made it.
_EVIDENCE = "evidence"
_DISK_STAGES = ("packages", "install", "configure", "disk")
#: Stages that run the image's own programs.
_IN_TREE = ("install", "configure", "disk")


class Build:
    """One build, inside the namespaces of `ingot.build.namespace`."""

    def __init__(self, request: BuildRequest, on_progress: Callable[[Progress], None]) -> None:
        self.request = request
        self.timings: dict[str, float] = {}
        self._cache = Cache(request.cache, self._wait)
        self._evidence = Record(request.evidence)
        self._on_progress = on_progress
        self._stage = "dependencies"
        self._lists: ListsState | None = None
        self._last: Progress | None = None
        self._percentage = 0
        #: What people should know of a build that takes longer than others.
        self._remark = ""

    def run(self) -> BuildResult:
        """Build; raises BuildError. Everything but the output and the caches lies below the request's scratch.

        The evidence is there however the build ends.
        """
        try:
            return self._run()
        finally:
            self._evidence.write_timings(self.timings)

    def _run(self) -> BuildResult:
        request = self.request
        with self._enter("dependencies"):
            format_ = find_format(request.format)
            if request.boot_test and not format_.is_bootable(request.compress):
                raise BuildError(f"A boot test is not possible with the format {format_.name}: use qcow2 or raw.")
            manifest = self._manifest(format_)
            self._evidence.write_manifest(manifest.document())
            self._note(f"{len(manifest.packages)} packages; the manifest is {manifest.identity}")
        result = BuildResult(
            output=None,
            sha256=None,
            size=0,
            installed_size=sum(package.installed_size for package in manifest.packages),
            disk_size=0,
            packages=_package_list(manifest),
            timings=self.timings,
            identity=manifest.identity,
            lists=self._lists,
            left_out=self._left_out(),
            arch=manifest.distribution.arch,
        )
        if request.simulate:
            return result
        with ExitStack() as stack:
            disks: list[Path] = []
            if format_.needs != "tree":
                title, make = (
                    f"{manifest.template.name} {manifest.template.version}",
                    partial(self._build_disk, manifest),
                )
                directory = stack.enter_context(self._cache.entry("disks", title, manifest.document(), make))
                self._evidence.take_over(directory / _EVIDENCE)
                disks = raw_disks(directory)
            layers = self._configured(manifest, stack) if format_.needs != "disks" else None
            with self._enter("convert"):
                written = self._write(format_, manifest, disks, layers)
            disk_sizes = [file.stat().st_size for file in disks]
        suffix = format_.file_suffix(request.compress)
        if request.one_file and len(disks) > 1 and format_.needs == "disks" and not format_.several_disks:
            suffix = ".tar.gz"
        with self._enter("finish"):
            self._cache.prune(Settings().cache_size)
        return result.model_copy(
            update={**_files(format_, written, disk_sizes), "suffix": suffix, "timings": self.timings}
        )

    def _manifest(self, format_: ImageFormat) -> Manifest:
        request = self.request
        if request.manifest is not None:
            manifest = Manifest.from_document(request.manifest)
            if manifest.system != format_.system:
                raise BuildError(
                    f"The manifest is of a {manifest.system}, the format {format_.name} is for a {format_.system}. "
                    f"Make a manifest for it: ingot manifest --format {format_.name} TEMPLATE"
                )
            self._contents(manifest).verify()
            return manifest
        if request.template is None:
            raise BuildError("The request has neither a template nor a manifest.")
        system = request.template.os
        repository = repository_of(find_distribution(system.name, system.version, system.arch), request.cache)
        before = repository.state(request.cache)
        manifest = make_manifest(
            request.template,
            request.cache,
            self._contents(),
            request.target_format,
            format_=format_,
            options=request.options,
        )
        # What an address serves may be something else the next time, whatever the package lists say.
        if repository.state(request.cache) == before and not any(is_remote(source) for source in manifest.files):
            self._lists = before
        return manifest

    def _left_out(self) -> list[str]:
        request = self.request
        unfit = fitting_bundles(request.template, request.target_format)[1] if request.template else []
        return [f"{bundle.name} {bundle.version}" for bundle in unfit]

    def _contents(self, manifest: Manifest | None = None) -> Contents:
        """The files beside the template, as a manifest has them."""
        request = self.request
        return Contents(
            request.boot_scripts_dir,
            request.cache,
            allow_private=request.allow_private_sources,
            known=manifest.files if manifest else None,
            on_progress=lambda message: self._report(0.5, message),
        )

    def _build_disk(self, manifest: Manifest, place: Path) -> None:
        """Make the raw disk of a manifest in an empty directory."""
        with ExitStack() as stack:
            tree = self._configured(manifest, stack).tree
            with self._enter("disk"):
                self._make_disks(manifest, tree, place, Identities.of_build(manifest.identity))
                for raw in raw_disks(place):
                    write_record(raw)
        self._evidence.keep(place / _EVIDENCE, _DISK_STAGES)

    def _configured(self, manifest: Manifest, stack: ExitStack) -> "_Layers":
        """The configured tree of a manifest, which only this build writes to; it is there until the stack ends."""
        needed = 3 * sum(package.installed_size for package in manifest.packages)
        for directory in (self.request.scratch, self.request.cache):
            _require_space(directory, needed)
        stack.enter_context(in_use(self.request.cache))
        with self._enter("packages"):
            package_files = self._fetch(manifest)
        architecture = manifest.distribution.architecture
        emulation.prepare(architecture, self.request.scratch)
        if emulation.is_foreign(architecture):
            self._remark = f" ({architecture.name} by emulation, which is slow)"
        with self._enter("install"):
            layers = self._install(manifest, package_files, stack)
        with self._enter("configure"):
            self._configure(manifest, layers.tree)
        return layers

    @contextmanager
    def _bills_of_materials(self, manifest: Manifest, tree: Path, directory: Path) -> Iterator[None]:
        """Look at a finished tree while other work goes on."""
        directory.mkdir()
        # A process of its own: two threads of Python would wait for each other at every file.
        with ProcessPoolExecutor(1, get_context("fork")) as beside:
            writing = beside.submit(_write_sboms, tree, manifest, directory)
            yield
            writing.result()

    def _write(
        self, format_: ImageFormat, manifest: Manifest, disks: Sequence[Path], layers: "_Layers | None"
    ) -> list[WrittenFile]:
        """Write the image."""
        request, title = self.request, _STAGES["convert"][1]
        work = Path(tempfile.mkdtemp(prefix="write-", dir=request.scratch))
        source = Source(
            template=manifest.template,
            identities=Identities.of_build(manifest.identity),
            epoch=manifest.epoch,
            options=request.options,
            work=work,
            log=self._log,
            disks=tuple(disks),
            tree=layers.tree if layers else None,
            base=layers.base if layers else None,
            compress=request.compress,
            on_progress=lambda part: self._report(part, title),
            # Where it has to compress, that is most of the work.
            look=lambda raw: look(self._cache, manifest, raw, lambda part: self._report(0.8 * part, title)),
        )
        with ExitStack() as stack:
            if layers and not disks:
                stack.enter_context(self._bills_of_materials(manifest, layers.tree, work / _EVIDENCE))
            written = write(Target(format_, source, request.output, one_file=request.one_file))
        if layers and not disks:
            self._evidence.take_over(work / _EVIDENCE)
        shutil.rmtree(work)
        return written

    def _fetch(self, manifest: Manifest) -> dict[str, Path]:
        repository = manifest.repository(self.request.cache)
        # The cache may have let go of them since.
        contents, pool = self._contents(manifest), package_pool(self.request.cache)
        bundles.stage_packages(manifest.template.bundles, contents, pool, repository.suffix)

        fetched = 0

        def follow(done: int, total: int) -> None:
            nonlocal fetched
            fetched = done
            self._report(done / total, f"Downloading packages ({done >> 20} of {total >> 20} MB)")

        package_files = fetch(repository, manifest.packages, self.request.cache, follow)
        self._note(f"{len(manifest.packages)} package files are there; {fetched} bytes of them were fetched now")
        return package_files

    def _install(self, manifest: Manifest, package_files: Mapping[str, Path], stack: ExitStack) -> "_Layers":
        """A tree of the manifest's packages that only this build writes to, over cached layers."""
        family = family_of(manifest.distribution)
        base_packages, more_packages = manifest.base_packages(), manifest.more_packages()
        environment = _environment(manifest)
        share = len(base_packages) / len(manifest.packages)

        def sound(packages: Sequence[ResolvedPackage]) -> list[Path]:
            """Their files, proved to be what the manifest names; what is damaged is fetched again."""
            if damaged := without_damage({package.sha256: package_files[package.sha256] for package in packages}):
                self._note(f"{len(damaged)} package files in the cache were damaged, and are fetched again")
                self._fetch(manifest)
            return [package_files[package.sha256] for package in packages]

        def make_base(tree: Path) -> None:
            work = self.request.scratch / "control"
            work.mkdir()
            family.install_base(
                tree,
                sound(base_packages),
                work=work,
                env=environment,
                log=self._log,
                on_progress=lambda part, what: self._report(share * part, what),
            )
            grub.copy_modules(tree, manifest.distribution)

        def make_full(upper: Path) -> None:
            with self._mounted([base], upper) as tree:
                family.install_more(
                    tree,
                    sound(more_packages),
                    env=environment,
                    log=self._log,
                    on_progress=lambda part, what: self._report(share + 0.9 * (1 - share) * part, what),
                )
                if (upper / "usr/lib/grub").exists():
                    grub.copy_modules(tree, manifest.distribution)
                if family.kernels(tree) and family.concerns_initramfs(upper):
                    self._report(share + 0.9 * (1 - share), "Making the initial RAM disk")
                    family.make_initramfs(tree, environment, self._log)

        description = layer_description(manifest, base_packages, None)
        system = manifest.template.os
        title = f"{system.name} {system.version} {system.profile}"
        base = stack.enter_context(self._layer(title, description, make_base))
        lower = [base]
        if more_packages:
            description = layer_description(manifest, more_packages, entry_key(description))
            names = ", ".join(package.name for package in more_packages if package.level == 0)
            title = f"{title} + {names}"
            lower.insert(0, stack.enter_context(self._layer(title, description, make_full)))
        if manifest.system == "machine" and not any(family.kernels(layer) for layer in lower):
            raise BuildError("The image has no kernel: add a kernel package of the distribution.")
        upper = Path(tempfile.mkdtemp(prefix="upper-", dir=self.request.scratch))
        upper.chmod(0o755)
        return _Layers(stack.enter_context(self._mounted(lower, upper)), base)

    @contextmanager
    def _layer(self, title: str, description: Mapping[str, Any], make: Callable[[Path], None]) -> Iterator[Path]:
        """A layer of the cache; the log of making it is in this stage's log, also when it was made before."""
        evidence, stage = self._evidence, self._stage
        made_now = False

        def make_with_log(content: Path) -> None:
            nonlocal made_now
            made_now = True
            with evidence.copied(stage, log_of(content)):
                make(content)

        with self._cache.entry("trees", title, description, make_with_log) as content:
            if not made_now:
                evidence.replay(stage, title, log_of(content))
            yield content

    @contextmanager
    def _mounted(self, lower: list[Path], upper: Path) -> Iterator[Path]:
        """An overlay of layers (the topmost first in `lower`); what is written lands in `upper`."""
        # The overlay's work directory has to be on the file system of `upper`.
        work, target = upper.with_name(f"{upper.name}.work"), self.request.scratch / "tree"
        work.mkdir()
        target.mkdir(exist_ok=True)
        namespace.mount_overlay(lower, upper, work, target)
        try:
            yield target
        finally:
            namespace.unmount(target)
            shutil.rmtree(work)

    def _configure(self, manifest: Manifest, tree: Path) -> None:
        contents = self._contents(manifest)
        configure(
            tree,
            family_of(manifest.distribution),
            manifest.template,
            sources=manifest.sources,
            contents=contents,
            env=_environment(manifest),
            log=self._log,
        )
        software, limits = manifest.template.bundles, Limits.of_settings()
        put_in_place(tree, software, contents, limits, lambda name: self._report(0.5, f"Adding {name}"))
        # What changed while it was being read is not what the manifest says.
        contents.verify()

    def _make_disks(self, manifest: Manifest, tree: Path, place: Path, identities: Identities) -> None:
        installation = manifest.template.installation
        parameters = list(installation.kernel_params)
        if installation.nics:
            parameters.append(network.KERNEL_NAMES_PARAMETER)
        with self._bills_of_materials(manifest, tree, place / _EVIDENCE):
            layout = plan_machine(tree, installation, manifest.distribution, identities)
            make_machine(
                tree,
                place,
                layout,
                installation,
                manifest.distribution,
                parameters=parameters,
                epoch=manifest.epoch,
                scratch=self.request.scratch,
                log=self._log,
            )

    @property
    def _log(self) -> Path:
        return self._evidence.log(self._stage)

    def _wait(self, title: str) -> None:
        self._report(0, f"Waiting for another build, which makes {title}")

    def _note(self, text: str) -> None:
        self._evidence.note(self._stage, text)

    @contextmanager
    def _enter(self, stage: str) -> Iterator[None]:
        self._stage = stage
        self._report(0, _STAGES[stage][1])
        self._note(_STAGES[stage][1])
        started = time.monotonic()
        try:
            yield
        except BuildError as error:
            self._note(f"failed: {error.message}")
            raise
        finally:
            self.timings[stage] = round(time.monotonic() - started, 3)

    def _report(self, part: float, message: str) -> None:
        starts = [start for start, _ in _STAGES.values()]
        begin = _STAGES[self._stage][0]
        end = min([start for start in starts if start > begin], default=100)
        # A tree may be set up again after its disk was made: what a person sees never goes back.
        percentage = max(self._percentage, int(begin + (end - begin) * min(1.0, part)))
        self._percentage = percentage
        remark = self._remark if self._stage in _IN_TREE else ""
        progress = Progress(stage=self._stage, percentage=percentage, message=message + remark)
        if progress != self._last:
            self._last = progress
            self._on_progress(progress)


@dataclass(frozen=True)
class _Layers:
    """A configured tree, and the distribution's own layer beneath it."""

    tree: Path
    base: Path


def _write_sboms(tree: Path, manifest: Manifest, directory: Path) -> None:
    from ingot.build.evidence.sbom import write_sboms  # noqa: PLC0415 - nobody but the process that does it needs it

    write_sboms(tree, manifest, directory)


def _files(format_: ImageFormat, written: Sequence[WrittenFile], disk_sizes: Sequence[int]) -> dict[str, Any]:
    """The fields of a result that tell of the written files."""
    total = sum(disk_sizes)
    if format_.several_files:
        directory = written[0].path.parent
        files = [ImageFile(name=file.path.name, sha256=file.sha256, size=file.size) for file in written]
        return {"output": directory, "size": sum(file.size for file in files), "disk_size": total, "files": files}
    first, *more = written
    sizes = disk_sizes if more else [total]
    return {
        "output": first.path,
        "sha256": first.sha256,
        "size": first.size,
        "disk_size": sizes[0],
        "more_disks": [
            DiskFile(output=file.path, sha256=file.sha256, size=file.size, disk_size=size)
            for file, size in zip(more, sizes[1:], strict=True)
        ],
    }


def _environment(manifest: Manifest) -> dict[str, str]:
    return {"SOURCE_DATE_EPOCH": str(manifest.epoch)}


def _require_space(path: Path, needed: int) -> None:
    if shutil.disk_usage(path).free < needed:
        raise DiskFullError.at(path, "The image cannot be built", needed=needed)


def _package_list(manifest: Manifest) -> list[InstalledPackage]:
    packages = []
    for package in manifest.packages:
        epoch, version, release = split_version(package.version)
        packages.append(
            InstalledPackage(
                name=package.name,
                epoch=epoch,
                version=version,
                release=release,
                arch=package.arch,
                size=package.installed_size,
                level=package.level,
            )
        )
    return packages

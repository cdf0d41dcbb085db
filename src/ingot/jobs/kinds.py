"""All kinds of jobs that a worker does."""

from collections.abc import Mapping

from ingot.jobs.appliance_export import ApplianceExportJob
from ingot.jobs.appliance_import import ApplianceImportJob
from ingot.jobs.bundle_export import BundleExportJob
from ingot.jobs.bundle_import import BundleImportJob
from ingot.jobs.deployment import DeploymentJob, RestartJob, StartJob, StopJob, TerminationJob
from ingot.jobs.fetch_artifact import FetchArtifactJob
from ingot.jobs.generation import Generation
from ingot.jobs.job import Job
from ingot.jobs.publication import PublicationCleanup, PublicationJob
from ingot.jobs.refresh import PackageRefresh

JOBS: Mapping[str, Job] = {
    job.kind: job
    for job in (
        Generation(),
        PackageRefresh(),
        ApplianceImportJob(),
        ApplianceExportJob(),
        BundleImportJob(),
        BundleExportJob(),
        FetchArtifactJob(),
        PublicationJob(),
        PublicationCleanup(),
        DeploymentJob(),
        StartJob(),
        StopJob(),
        RestartJob(),
        TerminationJob(),
    )
}

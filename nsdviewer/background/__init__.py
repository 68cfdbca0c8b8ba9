"""Jobs: commands that run in processes of their own, outlive the window, and are found again."""

from nsdviewer.background.records import JobRecord, JobStage, JobView
from nsdviewer.background.store import JobStore, jobs_folder

__all__ = ["JobRecord", "JobStage", "JobStore", "JobView", "jobs_folder"]

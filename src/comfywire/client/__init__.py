"""What users hold: clients, jobs, results."""

from .check import Finding
from .client import Client
from .job import Job, JobProgress
from .outputs import Output, Result
from .uploads import Upload

__all__ = ["Client", "Finding", "Job", "JobProgress", "Output", "Result", "Upload"]

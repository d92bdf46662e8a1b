"""What users hold: clients, jobs, results."""

from comfywire.transport.limits import ReplyLimits

from .client import Client
from .job import Job, JobProgress
from .results.outputs import Output
from .results.result import Result
from .uploads import Upload

__all__ = ["Client", "Job", "JobProgress", "Output", "ReplyLimits", "Result", "Upload"]

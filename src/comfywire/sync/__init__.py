"""The client for code without an event loop: the same names, blocking.

Every client runs on one event loop in a background thread, so it works in scripts, in notebooks and inside
a loop that is running already (whose thread it blocks, as blocking calls do).
"""

from .client import Client
from .handles import Job, Output, Result

__all__ = ["Client", "Job", "Output", "Result"]

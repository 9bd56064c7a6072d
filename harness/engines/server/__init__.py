"""Answering by an OpenAI-compatible server."""

from harness.engines.server.backend import ServerBackend
from harness.engines.server.choice import NoLogprobsError
from harness.engines.server.identity import server_identity
from harness.engines.server.parallel import ask_all
from harness.engines.server.retry import RetryPolicy
from harness.engines.server.written import Likely, Written, ask_written, rendered_there

__all__ = [
    "Likely",
    "NoLogprobsError",
    "RetryPolicy",
    "ServerBackend",
    "Written",
    "ask_all",
    "ask_written",
    "rendered_there",
    "server_identity",
]

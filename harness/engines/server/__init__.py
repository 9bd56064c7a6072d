"""Answering by an OpenAI-compatible server."""

from harness.engines.server.backend import ServerBackend
from harness.engines.server.choice import NoLogprobsError
from harness.engines.server.identity import server_identity
from harness.engines.server.retry import RetryPolicy

__all__ = ["NoLogprobsError", "RetryPolicy", "ServerBackend", "server_identity"]

"""What ships, made of what was approved: a merged model, a quantised checkpoint, GGUF files; with a record of how."""

from harness.models.export.build import export
from harness.models.export.source import Source
from harness.models.export.target import Target, parse_target

__all__ = ["Source", "Target", "export", "parse_target"]

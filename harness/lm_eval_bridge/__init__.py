"""Tasks of lm-evaluation-harness on our engine. Light to import: lm-eval comes with the first use of a task."""

from harness.lm_eval_bridge.options import LmEvalOptions
from harness.lm_eval_bridge.task import LmEvalTask

__all__ = ["LmEvalOptions", "LmEvalTask"]

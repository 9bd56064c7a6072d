"""Tasks of lm-evaluation-harness on our engine. Light to import: lm-eval comes with the first use of a task."""

from harness.tasks.lm_eval.options import LmEvalOptions
from harness.tasks.lm_eval.task import LmEvalTask

__all__ = ["LmEvalOptions", "LmEvalTask"]

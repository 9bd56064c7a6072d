"""An lm-eval task as `tasks:` of assay.yaml describes it. Imports no lm-eval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness.config.base import Text
from harness.tasks.kinds import Spec, TaskContext, TaskKeys, TaskKind
from harness.tasks.lm_eval.options import LM_EVAL_SEED, LmEvalOptions
from harness.tasks.lm_eval.task import LmEvalTask

Number = Annotated[int, Field(ge=0)]


class LmEvalKeys(TaskKeys):
    """Keys of kind `lm_eval`."""

    task: Text | None = None
    """task, group or tag of lm-eval, or a YAML file; without it, the name"""
    fewshot: Number | None = None
    """examples in the prompt; without it, the task's own number"""
    chat_template: bool | None = None
    """ask in conversations; without it, as --chat-template says"""
    fewshot_as_multiturn: bool = True
    """each example is a turn of the conversation"""
    include_path: Text | None = None
    """a directory of your own YAML files; they win over lm-eval's"""
    seed: Number = LM_EVAL_SEED
    """of examples that are drawn, and of the items that a limit draws"""


def _build(name: str, keys: LmEvalKeys, context: TaskContext) -> LmEvalTask:
    options = LmEvalOptions(
        fewshot=keys.fewshot,
        max_items=context.smaller_limit(keys),
        max_leaves=context.subjects,
        chat_template=context.chat_template if keys.chat_template is None else keys.chat_template,
        fewshot_as_multiturn=keys.fewshot_as_multiturn,
        seed=keys.seed,
        data_dir=context.data_dir,
        include_path=None if keys.include_path is None else context.root / keys.include_path,
    )
    return LmEvalTask(name, options, definition=_definition(keys.task or name, context.root))


def _definition(text: str, root: Path) -> str:
    """A YAML file beside the configuration by its full path, wherever pytest is started."""
    beside = root / text
    return str(beside) if text.endswith((".yaml", ".yml")) and beside.is_file() else text


def _with_fewshot(name: str, spec: Spec, shots: int) -> Spec:
    return {"task": name, **spec, "fewshot": shots}  # the task's new name says the count, lm-eval knows the old one


# its answers may be probabilities
LM_EVAL = TaskKind("lm_eval", LmEvalKeys, _build, generates=False, with_fewshot=_with_fewshot)

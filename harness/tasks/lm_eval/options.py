"""How an lm-eval task is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import TaskError

# lm-eval's own default, so that the same few-shot examples are drawn
LM_EVAL_SEED = 1234


@dataclass(frozen=True)
class LmEvalOptions:
    """Settings of one task.

    Attributes:
        fewshot: examples in the prompt; None takes the task's own number.
        limit: at most so many items of each subtask (of each MMLU subject), drawn by `seed`.
        max_items: at most so many items in all, subtasks in proportion to their size.
        max_subtasks: ask at most so many subtasks, drawn by `seed`; each costs the tokens of its own few-shot examples.
        chat_template: ask in conversations, which the engine renders by the model's own template.
        fewshot_as_multiturn: each few-shot example is a turn of the conversation; used with `chat_template` only.
        seed: of the few-shot examples where a task draws them, and of the items that a limit draws.
        data_dir: a directory with local copies of the benchmarks; None takes them from the hub.
        include_path: a directory of the user's own task YAMLs; they win over lm-eval's.
    """

    fewshot: int | None = None
    limit: int | None = None
    max_items: int | None = None
    max_subtasks: int | None = None
    chat_template: bool = False
    fewshot_as_multiturn: bool = True
    seed: int = LM_EVAL_SEED
    data_dir: Path | None = None
    include_path: Path | None = None

    def __post_init__(self) -> None:
        for name, least in (("fewshot", 0), ("limit", 1), ("max_items", 1), ("max_subtasks", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise TaskError(f"{name} is {value}", f"give {least} or more, or leave it out")

    def identity(self) -> dict[str, Any]:
        """What answers depend on, as JSON, by the keys that stored runs know. Of paths the data's digest stands here."""
        identity: dict[str, Any] = {"fewshot": self.fewshot, "chat_template": self.chat_template, "seed": self.seed}
        identity |= {"limit": self.limit, "max_items": self.max_items, "max_leaves": self.max_subtasks}
        if self.chat_template:
            identity["fewshot_as_multiturn"] = self.fewshot_as_multiturn
        return identity

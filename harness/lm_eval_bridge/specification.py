"""An lm-eval task as `tasks:` of assay.yaml describes it. Imports no lm-eval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.lm_eval_bridge.options import LmEvalOptions
from harness.lm_eval_bridge.task import LmEvalTask
from harness.tasks.options import Options

LM_EVAL_KIND = "lm_eval"
_KEYS = (
    "kind", "task", "fewshot", "chat_template", "fewshot_as_multiturn", "include_path", "limit", "seed", "gates",
)  # fmt: skip


def lm_eval_task(name: str, spec: Mapping[str, Any], *, root: Path, defaults: LmEvalOptions) -> LmEvalTask:
    """Build the task of a specification.

    Args:
        spec: `task` (what lm-eval knows it by, or a YAML file; default: `name`), `fewshot`, `chat_template`,
            `fewshot_as_multiturn`, `include_path` (a directory of YAML files), `limit` (with that of `defaults` the
            smaller one holds) and `seed`. Files and directories start at `root`.
        defaults: stand where the specification says nothing.

    Raises:
        TaskError: a key is unknown or has a wrong value.
    """
    options = Options(name, spec, root)
    options.check_keys(_KEYS)
    include_path, seed = options.text("include_path"), options.number("seed")
    fewshot = options.number("fewshot")
    chat_template, multiturn = options.flag("chat_template"), options.flag("fewshot_as_multiturn")
    limits = [limit for limit in (options.count("limit"), defaults.max_items) if limit is not None]
    settings = replace(
        defaults,
        fewshot=defaults.fewshot if fewshot is None else fewshot,
        max_items=min(limits, default=None),
        chat_template=defaults.chat_template if chat_template is None else chat_template,
        fewshot_as_multiturn=defaults.fewshot_as_multiturn if multiturn is None else multiturn,
        include_path=defaults.include_path if include_path is None else root / include_path,
        seed=defaults.seed if seed is None else seed,
    )
    return LmEvalTask(name, settings, definition=_definition(options.text("task") or name, root))


def _definition(text: str, root: Path) -> str:
    """A YAML file beside the configuration by its full path, wherever pytest is started."""
    beside = root / text
    return str(beside) if text.endswith((".yaml", ".yml")) and beside.is_file() else text

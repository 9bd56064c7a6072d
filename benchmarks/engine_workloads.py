"""The requests that both engines are given: lm-eval's own instances of stock tasks over local data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lm_eval.api.instance import Instance

from harness.tasks.lm_eval import LmEvalOptions, LmEvalTask
from harness.tasks.lm_eval.surroundings import lm_eval_surroundings

# The eight subjects whose five-shot prompts are nearest in length (598 to 747 tokens) to the mean over all 14,042
# items (719): the shortest subjects and the history ones, of up to 2,900 tokens, would tilt the ratio.
MMLU_SUBJECTS = (
    "astronomy",
    "college_mathematics",
    "econometrics",
    "formal_logic",
    "international_law",
    "machine_learning",
    "moral_scenarios",
    "professional_accounting",
)
MMLU_ITEMS = 50  # a subject
GSM8K_ITEMS = 64
HELLASWAG_ITEMS = 160
_PARTS = {"gsm8k": 2, "hellaswag": 4}


@dataclass(frozen=True)
class Workload:
    """Requests of one kind, in parts that the engines take turns at.

    Attributes:
        kind: the method of an lm-eval model that answers them.
    """

    kind: str
    parts: Sequence[Sequence[Instance]]


def mmlu(data_dir: Path, *, scale: float = 1.0, subjects: int = len(MMLU_SUBJECTS)) -> Workload:
    """Five-shot; a part is a subject, as examples are shared within one only."""
    items = _scaled(MMLU_ITEMS, scale)
    names = [f"mmlu_{subject}" for subject in MMLU_SUBJECTS[:subjects]]
    return Workload("loglikelihood", [_instances(name, data_dir, fewshot=5, items=items) for name in names])


def whole_mmlu(data_dir: Path) -> Sequence[Instance]:
    """All 57 subjects, all items."""
    return _instances("mmlu", data_dir, fewshot=5, items=None)


def gsm8k(data_dir: Path, *, scale: float = 1.0) -> Workload:
    """Word problems, five-shot, to be answered in words."""
    return Workload("generate_until", _parts("gsm8k", data_dir, fewshot=5, items=_scaled(GSM8K_ITEMS, scale)))


def hellaswag(data_dir: Path, *, scale: float = 1.0) -> Workload:
    """Endings of several tokens after a short context, without examples."""
    return Workload("loglikelihood", _parts("hellaswag", data_dir, fewshot=0, items=_scaled(HELLASWAG_ITEMS, scale)))


def _scaled(items: int, scale: float) -> int:
    return max(2, round(items * scale))


def _parts(name: str, data_dir: Path, *, fewshot: int, items: int) -> Sequence[Sequence[Instance]]:
    instances = _instances(name, data_dir, fewshot=fewshot, items=items)
    choices = len(instances) // items
    size = -(-items // min(_PARTS[name], items)) * choices
    return [instances[start : start + size] for start in range(0, len(instances), size)]


def _instances(name: str, data_dir: Path, *, fewshot: int, items: int | None) -> Sequence[Instance]:
    task = LmEvalTask(name, LmEvalOptions(fewshot=fewshot, limit=items, data_dir=data_dir))
    found: list[Instance] = []
    for subtask in task.subtasks:
        with lm_eval_surroundings(task.options.seed):
            subtask.task.set_fewshot_seed(task.options.seed)
            subtask.task.build_all_requests(samples=list(task.selected[subtask.name]))
        found += subtask.task.instances
    return found

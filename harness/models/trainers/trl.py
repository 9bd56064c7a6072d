"""transformers' Trainer and TRL, whose files most other trainers leave too: a state beside checkpoints, and a model card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.errors import AdapterError
from harness.models.trainers.artefact import Artefact, as_names, as_text
from harness.models.trainers.record import TrainerLog, TrainingRecord
from harness.models.trainers.registry import Trainer

STATE_FILE = "trainer_state.json"
CARD = "README.md"
METHODS = ("sft", "dpo", "kto", "grpo", "rloo", "ppo", "orpo", "cpo", "reward-trainer", "online-dpo")
_CHECKPOINT = "checkpoint-"
_STEP_AT_END = re.compile(rf"{_CHECKPOINT}(\d+)[/\\]*$")
_FENCE = "---"


def _read(artefact: Artefact) -> TrainingRecord | None:
    card, state = model_card(artefact), _state_file(artefact)
    if state is None and not card:
        return None
    tags = as_names(card.get("tags"))
    return TrainingRecord(
        trainer="TRL" if "trl" in tags else "transformers' Trainer",
        source=CARD if card else STATE_FILE,
        base=next(iter(as_names(card.get("base_model"))), None),
        data=as_names(card.get("datasets")),
        method=next((method for method in METHODS if method in tags), None),
    )


def model_card(artefact: Artefact) -> Mapping[str, Any]:
    """The YAML in front of a model card; empty where there is none."""
    try:
        text = artefact.text(CARD)
    except AdapterError as exc:
        artefact.notes.append(exc.problem)
        return {}
    before, fence, rest = text.partition(f"{_FENCE}\n")
    front, closing, _ = rest.partition(f"\n{_FENCE}")
    return artefact.yaml_config(CARD, front) if fence and closing and not before.strip() else {}


def _state_file(artefact: Artefact) -> str | None:
    """A Trainer leaves its state beside each checkpoint, and beside the final weights only when asked to: without one
    there, that of the newest `checkpoint-*` below is read."""
    if artefact.file(STATE_FILE) is not None:
        return STATE_FILE
    below = [f"{name}/{STATE_FILE}" for name in artefact.matching(rf"{_CHECKPOINT}\d+")]
    return max(
        filter(artefact.file, below), key=lambda name: int(name.split("/")[0].removeprefix(_CHECKPOINT)), default=None
    )


def _log(artefact: Artefact) -> TrainerLog | None:
    name = _state_file(artefact)
    if name is None:
        return None
    state = artefact.json_log(name)
    try:
        history = [dict(entry) for entry in state["log_history"]]
        steps, planned = int(state["global_step"]), int(state.get("max_steps") or 0)
        best = _best_step(state)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise AdapterError(
            f"{artefact.file(name)} is not the state of a Trainer: {exc!r}", "restore it, or remove it"
        ) from exc
    # Weights beside their own state are of its step. Those above the checkpoints are what the Trainer ended with: the best
    # checkpoint, where it was told to look for one.
    is_checkpoint = name == STATE_FILE and artefact.path.name.startswith(_CHECKPOINT)
    return TrainerLog(
        source=name,
        history=history,
        steps=steps,
        kept_step=steps if is_checkpoint or best is None else best,
        planned_steps=planned if planned > 0 else None,
    )


def _best_step(state: Mapping[str, Any]) -> int | None:
    """The step of the best checkpoint; older Trainers give its directory alone. None where none was looked for."""
    best = state.get("best_global_step")
    if best is not None:
        return int(best)
    named = _STEP_AT_END.search(str(state.get("best_model_checkpoint") or ""))
    return int(named[1]) if named else None


TRL = Trainer("TRL", _read, _log)


def named_method(name: object) -> str | None:
    """A method by TRL's name for it, where it is one."""
    text = (as_text(name) or "").lower()
    return text if text in METHODS else None

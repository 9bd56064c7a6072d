"""What is gated between the stages of a recipe: files and log, in seconds; the suites measure a stage by `recipe:NAME@STAGE`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from harness.config.settings import Settings
from harness.errors import RecipeError
from harness.gates import Gateable
from harness.training import TrainedAdapter
from harness.training.history import read_history
from harness.training.staged import Stage

log = logging.getLogger(__name__)


def check_stage(stage: Stage, trained: TrainedAdapter, *, settings: Settings, base: Path) -> None:
    """Refuse to go on from a stage that left what is not sound, or whose log is not that of a healthy training.

    Raises:
        RecipeError: a gate on it failed; the error tells every one that did.
    """
    verdicts = [gate.decide() for gate in _gates(stage, trained, settings, base)]
    failed = [one for one in verdicts if one.outcome in ("fail", "error")]
    if failed:
        told = "\n".join(f"  {one.gate}: {one.reason}; {one.remedy}" for one in failed)
        raise RecipeError(
            f"{stage.recipe.name}: the training does not go on from stage {stage.name}, of whose {len(verdicts)} gates "
            f"{len(failed)} failed:\n{told}",
            f"mend that stage, or take it out of `gate: after:`; --adapter=recipe:{stage.recipe.name} measures it in full",
        )
    log.info("%s: all %d gates on its files and its log passed", stage.recipe.name, len(verdicts))


def _gates(stage: Stage, trained: TrainedAdapter, settings: Settings, base: Path) -> Iterator[Gateable]:
    from harness.checks import integrity, training

    adapter, allowed, trusted = trained.path, settings.config.integrity.allow_files, settings.trust_remote_code
    if not stage.recipe.trains_whole:
        yield integrity.adapter_is_safe(adapter, allowed=allowed)
        yield integrity.adapter_is_finite(adapter)
        yield integrity.tensors_map_both_ways(adapter, base, trust_remote_code=trusted)
        yield integrity.config_agrees_with_tensors(adapter, base, trust_remote_code=trusted)
        yield integrity.adapter_is_trained(adapter)
    history = read_history(adapter, trained.log)
    if history is not None:
        yield from training.gates_on_log(history, base, settings.config.training)

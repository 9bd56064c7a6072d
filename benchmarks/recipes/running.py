"""One recipe, trained or taken from the cache, and put to the gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import yaml

from benchmarks.gating import ROOT, ask_gates
from benchmarks.recipes.kept import Measured
from benchmarks.recipes.tiny_base import NAME as TINY
from benchmarks.recipes.tiny_base import ensure_tiny_base
from harness.config import find_config
from harness.config.settings import make_settings
from harness.config.yaml_text import parse_yaml
from harness.digests import digest_json
from harness.errors import ConfigError, RunError
from harness.paths import cache_dir
from harness.session.model_pair import ModelPair
from harness.training import Recipe, TrainedAdapter, TrainingLog
from harness.training.recipe_files import find_recipe
from harness.training.rows import RowKind
from harness.training.staged import AnyRecipe

RECIPES = ROOT / "fixtures" / "recipes"
_PROJECT = Path(__file__).with_name("project.yaml")
_LIBRARIES = ("torch", "transformers", "peft", "trl")

_DATA_AND_LOG = ("suites/test_data.py", "suites/test_training.py")
_HELD_OUT = (
    "preferences_hold_on_validation_rows", "preferences_are_as_right_in_validation_as_in_training",
    "wanted_validation_answers_gain", "validation_prompts_earn_more_too",
)  # fmt: skip
_LOG = (*_DATA_AND_LOG, *(f"suites/test_overfitting.py::test_{name}" for name in _HELD_OUT))
_MODEL = (*_DATA_AND_LOG, "suites/test_integrity.py", "suites/test_overfitting.py", "suites/test_forgetting.py")
_REWARD = (*_DATA_AND_LOG, "suites/test_overfitting.py")
_WITH_TASK = (*_MODEL, "suites/test_task.py")
_SUITES: Mapping[RowKind, Sequence[str]] = {"conversations": _WITH_TASK, "pairs": _MODEL, "judged": _MODEL}


def recipe_names() -> list[str]:
    """Every recipe that ships."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def as_written(name: str) -> AnyRecipe:
    """The recipe of that name."""
    return find_recipe(name, ROOT, find_config(_PROJECT, []).tasks)


def recipe_digest(recipe: AnyRecipe) -> str:
    """What a recipe says, comments apart."""
    return digest_json(recipe.to_json())


def method_of(recipe: AnyRecipe) -> str:
    """What it trains by: the method, and the method of PEFT; of stages each's."""
    return ", then ".join(_method(one) for one in recipe.parts)


def _method(recipe: Recipe) -> str:
    if recipe.trains_whole:
        return f"{recipe.method}, all weights"
    flags = [name for name in ("use_dora", "use_rslora") if recipe.peft_arguments.get(name)]
    kind = " ".join([recipe.peft_type, *flags, *([recipe.quantization] if recipe.quantization != "none" else [])])
    return f"{recipe.method}, {kind}"


def measure(name: str, output: Path, *, tiny: bool = False) -> Measured:
    """Train a recipe, or take it from the cache, and put it to the gates.

    Args:
        output: directory for the run and pytest's output.
        tiny: on random weights, of which only the log and the files say anything.

    Raises:
        AssayError: it cannot be trained, or no gate ran.
    """
    recipe = as_written(name)
    project = _project(output / name, with_task=suites_of(recipe) == _WITH_TASK)
    base = str(ensure_tiny_base(cache_dir() / "recipes")) if tiny else None
    trained = _trained(name, project, base)
    options = ["--profile=recipes", f"--adapter=recipe:{name}", *([f"--model={base}"] if base is not None else [])]
    said = ask_gates(name, _LOG if tiny else suites_of(recipe), project, options, output)
    by_outcome: dict[str, list[str]] = {}
    for verdict in said.verdicts:
        by_outcome.setdefault(verdict.outcome, []).append(verdict.gate)
    return Measured(
        name=name,
        method=method_of(recipe),
        base=TINY if tiny else recipe.base,
        training_s=round(trained.log.summary.duration_s, 1),
        steps=trained.log.summary.steps,
        gates_s=round(said.seconds, 1),
        passed=tuple(by_outcome.get("pass", ())),
        failed=tuple(by_outcome.get("fail", ())),
        undecided=tuple(by_outcome.get("inconclusive", ())),
        unmeasured=tuple(by_outcome.get("error", ())),
        held_out=held_out(recipe, trained.log),
        digest=trained.digest,
        recipe_digest=recipe_digest(recipe),
        date=datetime.now(UTC).date().isoformat(),
        versions={library: version(library) for library in _LIBRARIES},
    )


def suites_of(recipe: AnyRecipe) -> Sequence[str]:
    """What is asked of what it makes; of stages the last one tells.

    What learnt answers or calls also does its task, and a reward model is held to pairs alone.
    """
    recipe = recipe.parts[-1]
    if recipe.how.task_type == "SEQ_CLS":
        return _REWARD
    return _SUITES.get(recipe.how.rows, _WITH_TASK if recipe.grader else _MODEL)


def held_out(recipe: AnyRecipe, log: TrainingLog) -> dict[str, tuple[float, float]]:
    """Figures of the evaluations, first and last of them: the loss, and what the method logs of preferences and rewards."""
    losses = [p.eval_loss for p in log.points if p.eval_loss is not None]
    found: dict[str, Sequence[float]] = {"loss": losses}
    for quantity in ("accuracy", "margin", "reward"):
        for key in recipe.parts[-1].how.log.keys.get(quantity, ()):
            found[quantity] = [value for _, value in log.evaluated.get(key, ())]
    return {name: (round(values[0], 4), round(values[-1], 4)) for name, values in found.items() if values}


def _trained(name: str, project: Path, base: str | None) -> TrainedAdapter:
    settings = make_settings(find_config(project, []), profile="recipes", adapter=f"recipe:{name}", model=base)
    pair = ModelPair(settings)
    _ = pair.candidate
    if pair.finder.trained is None:
        raise RunError(f"recipe {name} trained nothing", "name a recipe of fixtures/recipes")
    return pair.finder.trained


def _project(output: Path, *, with_task: bool) -> Path:
    """A project whose recipes and data are the repository's; its task is for those alone that learn it."""
    output.mkdir(parents=True, exist_ok=True)
    fixtures = output / "fixtures"
    if not fixtures.exists():
        fixtures.symlink_to(ROOT / "fixtures", target_is_directory=True)
    said = parse_yaml(_PROJECT.read_text(encoding="utf-8"), _PROJECT.name, ConfigError)
    config = output / "assay.yaml"
    config.write_text(yaml.safe_dump(said if with_task else {**said, "tasks": {}}, sort_keys=False), encoding="utf-8")
    return config

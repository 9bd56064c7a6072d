"""Trains a recipe of several stages, and makes one adapter on the base, or one model, of what they leave."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.digests import digest_json
from harness.errors import AdapterError, Complaints, RecipeError
from harness.json_files import read_json_object
from harness.models.adapters.contents import CONFIG
from harness.models.generation_config import decoding_rules
from harness.models.identity import adapter_digest
from harness.models.resolve import ResolvedAdapter, ResolvedModel
from harness.models.seals import TRAINED
from harness.models.stack import Stack, Trust, merged_model
from harness.training.cache import RECIPE_FILE, TrainedAdapter, cached, make_once, seal, train
from harness.training.log import LOG_FILE
from harness.training.staged import Stage, StagedRecipe

_log = logging.getLogger(__name__)

STAGES_DIR = "stages"
"""Beside what was trained in stages: of each its recipe and its log."""
_OF_ONE = (RECIPE_FILE, LOG_FILE, TRAINED, "README.md")

Passes = Callable[[Stage, TrainedAdapter], None]
"""Raises where the training may not go on after a stage."""


@dataclass(frozen=True)
class Ground:
    """Weights that are trained on: a model, and the adapters that are merged into it in turn.

    Attributes:
        identity: digest of the model.
    """

    model: ResolvedModel
    identity: str
    merged: Sequence[ResolvedAdapter] = ()

    @property
    def digest(self) -> str:
        """Identity of the weights, whether they were made yet or not."""
        adapters = [adapter_digest(one.directory) for one in self.merged]
        return digest_json(["merged", self.identity, *adapters]) if adapters else self.identity

    def merging(self, adapters: Sequence[ResolvedAdapter]) -> Ground:
        """The same with these merged in too."""
        return replace(self, merged=(*self.merged, *adapters))

    def directory(self, trust: Trust) -> Path:
        """Where they are, made now unless they were before."""
        return merged_model(self.model, self.merged, **trust).directory if self.merged else self.model.directory


@dataclass(frozen=True)
class Reached:
    """What the stages so far have left: weights, and adapters that act on them together."""

    ground: Ground
    adapters: Sequence[ResolvedAdapter] = ()

    def start_of(self, stage: Stage) -> tuple[Ground, Path | None]:
        """The weights that a stage trains on, and the adapter on them whose training it continues."""
        if stage.goes_on not in ("continued", None) or not self.adapters:
            return self.ground.merging(self.adapters), None
        return self.ground.merging(self.adapters[:-1]), self.adapters[-1].directory

    def after(self, stage: Stage, trained: TrainedAdapter) -> Reached:
        """What there is once it is trained."""
        if stage.recipe.trains_whole:
            return Reached(Ground(ResolvedModel(stage.recipe.name, trained.path), trained.digest))
        new = ResolvedAdapter(stage.recipe.name, trained.path)
        match stage.goes_on:
            case "continued" | None:
                return replace(self, adapters=(*self.adapters[:-1], new))
            case "stacked":
                return replace(self, adapters=(*self.adapters, new))
            case "merged":
                return Reached(self.ground.merging(self.adapters), (new,))


@dataclass(frozen=True)
class Staging:
    """Where stages are trained.

    Attributes:
        base_digest: identity of the base's weights and tokenizer.
        cache_dir: where adapters are kept.
        trust: what may lie beside them, and whether a model's own code runs.
    """

    base: ResolvedModel
    base_digest: str
    cache_dir: Path
    trust: Trust

    def is_cached(self, recipe: StagedRecipe) -> bool:
        """Whether every stage is in the cache, so that nothing is trained."""
        reached = self._start
        for stage in recipe.stages:
            ground, start = reached.start_of(stage)
            path = cached(stage.recipe, ground.digest, self.cache_dir, start)
            if path is None:
                return False
            reached = reached.after(stage, TrainedAdapter.read(stage.recipe, path))
        return True

    def train(self, recipe: StagedRecipe, passes: Passes) -> TrainedAdapter:
        """What all stages leave: each from the cache, or trained now.

        Args:
            passes: asked after each stage that the recipe gates.

        Raises:
            AssayError: as `harness.training.train`; or what a stage left cannot be merged, or is not sound.
        """
        started_s, reached = time.monotonic(), self._start
        if not self.is_cached(recipe):
            self._check_ahead(recipe)
        trained: list[TrainedAdapter] = []
        for place, stage in enumerate(recipe.stages, 1):
            _log.info("recipe %s, %d of %d: %s", recipe.name, place, len(recipe.stages), stage.describe())
            trained.append(self._train(stage, reached))
            if stage.name in recipe.gated:
                passes(stage, trained[-1])
            reached = reached.after(stage, trained[-1])
        return self._made(recipe, reached, trained, started_s)

    def _check_ahead(self, recipe: StagedRecipe) -> None:
        """Refuse what is wrong with a later stage before the first is trained."""
        from harness.training.ahead import check_ahead

        complaints = Complaints()
        for stage in recipe.stages:
            name = stage.recipe.name
            with complaints.noting(name, instead_of=f"recipe {name!r}"):
                check_ahead(stage.recipe, str(self.base.directory))
        complaints.tell(RecipeError)

    @property
    def _start(self) -> Reached:
        return Reached(Ground(self.base, self.base_digest))

    def _train(self, stage: Stage, reached: Reached) -> TrainedAdapter:
        ground, start = reached.start_of(stage)
        is_there = cached(stage.recipe, ground.digest, self.cache_dir, start) is not None
        return train(
            stage.recipe,
            base_path=str(self.base.directory if is_there else ground.directory(self.trust)),
            base_digest=ground.digest,
            cache_dir=self.cache_dir,
            start=start,
        )

    def _made(
        self, recipe: StagedRecipe, reached: Reached, trained: Sequence[TrainedAdapter], started_s: float
    ) -> TrainedAdapter:
        key = digest_json(
            ["stages", self.base_digest, [[one.path.name, one.digest] for one in trained], recipe.to_json()]
        )
        published = self.cache_dir / key[:32]
        make_once(published, f"training {recipe.name}", lambda _, made: self._write(recipe, reached, trained, made))
        return replace(
            TrainedAdapter.read(recipe, published),
            from_cache=all(one.from_cache for one in trained),
            duration_s=time.monotonic() - started_s,
        )

    def _write(self, recipe: StagedRecipe, reached: Reached, trained: Sequence[TrainedAdapter], work: Path) -> None:
        source = self._outcome(recipe, reached)
        shutil.copytree(source, work, copy_function=_linked, ignore=shutil.ignore_patterns(*_OF_ONE))
        if (work / CONFIG).is_file():
            _name_base(work / CONFIG, recipe.base)
        for stage, one in zip(recipe.stages, trained, strict=True):
            kept = work / STAGES_DIR / stage.name
            kept.mkdir(parents=True)
            for name in (RECIPE_FILE, LOG_FILE):
                shutil.copy(one.path / name, kept / name)
        trained[-1].log.write(work)
        content = recipe.to_json()
        alone = {"peft": recipe.parts[-1].peft} if len(reached.adapters) == 1 and not recipe.trains_whole else {}
        stages = [[stage.name, one.digest] for stage, one in zip(recipe.stages, trained, strict=True)]
        base = {"base": self.base_digest, "decoding": decoding_rules(self.base.directory)}
        seal(work, content, {"recipe": {**content, **alone}, "stages": stages, **base})

    def _outcome(self, recipe: StagedRecipe, reached: Reached) -> Path:
        """The directory of one adapter on the base, or of one model."""
        if recipe.trains_whole:
            return reached.ground.merging(reached.adapters).directory(self.trust)
        directories = [one.directory for one in reached.adapters]
        if len(directories) == 1:
            return directories[0]
        return Stack(directories, [1.0] * len(directories)).combined(self.base.directory, **self.trust)


def stages_beside(directory: Path) -> Sequence[str]:
    """Names of the stages that lie beside what was trained in stages, in their order; none where it was trained in one go."""
    if not (directory / STAGES_DIR).is_dir():
        return ()
    stages = read_json_object(directory / RECIPE_FILE, AdapterError, "restore it").get("stages")
    return (
        [str(one["name"]) for one in stages if isinstance(one, dict) and "name" in one]
        if isinstance(stages, list)
        else ()
    )


def _linked(source: str, target: str) -> None:
    """Weights are large and never written to again: a second name costs nothing."""
    if source.endswith(".safetensors"):
        try:
            os.link(source, target)
            return
        except OSError:  # another file system, or one without links
            pass
    shutil.copy(source, target)


def _name_base(config_file: Path, base: str) -> None:
    config = read_json_object(config_file, AdapterError, "restore it")
    name = Path(base).name if Path(base).is_absolute() else base
    config_file.write_text(
        json.dumps({**config, "base_model_name_or_path": name}, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )

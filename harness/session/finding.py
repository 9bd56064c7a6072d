"""What the names of a subject stand for: found on this machine, fetched, or trained by a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from harness.config.settings import Settings
from harness.config.spec import EMBEDDED, AdapterSpec, ModelSpec, SubjectSpec
from harness.errors import ConfigError, ModelError
from harness.models import ResolvedAdapter, ResolvedModel, parse_model_spec, resolve_adapter, resolve_model
from harness.models.adapters.contents import is_adapter
from harness.models.device import choose_device, choose_dtype, dtype_name
from harness.models.identity import base_digest
from harness.models.resolve import find_directory
from harness.models.segment import named_as_the_base
from harness.models.stack import Stack, Trust, merged_model
from harness.models.subject import Member, Subject, chosen_template
from harness.paths import cache_dir
from harness.session.stage_gates import check_stage
from harness.training import Recipe, TrainedAdapter, train
from harness.training.cache import Training, cached
from harness.training.provider import TunedModel, Tuning, is_tuned, tune
from harness.training.recipe_files import find_recipe
from harness.training.staged import AnyRecipe, StagedRecipe
from harness.training.stages import Staging


@dataclass(frozen=True)
class Found:
    """A subject's weights, and the adapters that are to be put on them."""

    weights: ResolvedModel
    adapters: Sequence[AdapterSpec]


class Finder:
    """Finds subjects; what one does not name is the base's.

    Attributes:
        trained: the adapter of the recipe, where it was trained here or taken from the cache, or what a provider made of it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.trained: TrainedAdapter | TunedModel | None = None

    @cached_property
    def base(self) -> ResolvedModel:
        """The base model, on disk or served."""
        return resolve_model(self.base_spec, trust_remote_code=self.settings.trust_remote_code)

    @property
    def base_spec(self) -> ModelSpec:
        """The base as it was named: by option or file, else by the recipe; else the embedded model.

        Raises:
            ConfigError: it is no model spec.
        """
        spec = self.settings.model_spec
        if spec is None and self.recipe is not None:
            spec = parse_model_spec(self.settings.config.path_or_name(self.recipe.base))
        return spec or EMBEDDED

    @property
    def quantization(self) -> str:
        """How the base is quantised while measuring.

        An adapter trained on a 4-bit base has learnt to make up for its rounding: on the dense base it is
        another, usually worse, model. So a recipe is measured on what it trains on, unless `--quantization` says otherwise.
        """
        if self.settings.quantization is not None:
            return self.settings.quantization
        return self.recipe.quantization if self.recipe is not None else "none"

    @cached_property
    def device(self) -> str:
        """Where models are computed."""
        return str(choose_device(self.settings.device))

    @cached_property
    def dtype(self) -> str:
        """The precision they are computed in."""
        return dtype_name(choose_dtype(choose_device(self.settings.device), self.settings.dtype))

    @cached_property
    def recipe(self) -> AnyRecipe | None:
        """The recipe to train, with the profile's number of rows; None where the candidate is there."""
        spec = self.settings.candidate_spec
        if spec is None or spec.recipe is None:
            return None
        recipe = find_recipe(spec.recipe, self.settings.config.root, self.settings.config.tasks)
        rows = self.settings.profile.train_rows
        return recipe if rows is None else recipe.with_training_rows(rows)

    @property
    def is_trained(self) -> bool:
        """Whether the recipe's adapter is in the cache, so that asking for it trains nothing."""
        if self.recipe is None:
            return False
        if isinstance(self.recipe, StagedRecipe):
            return self._staging.is_cached(self.recipe.on(self.base.name))
        if self.recipe.is_provided:
            return is_tuned(self.recipe, **self.tuning)
        return cached(**self._training(self.recipe)) is not None

    def find(self, spec: SubjectSpec) -> Found:
        """A subject's weights and adapters: what is named alone may turn out to be an adapter on the base.

        Raises:
            ModelError: a model is not there.
        """
        model = spec.model
        if model is None:
            return Found(self.base, spec.adapters)
        if not spec.adapters and model.kind in ("local", "hub"):
            directory = find_directory(model, ModelError, "--candidate", code=self.settings.trust_remote_code)
            if is_adapter(directory):
                return Found(self.base, [AdapterSpec(model.kind, model.value, model.revision, model.subfolder)])
        return Found(resolve_model(model, trust_remote_code=self.settings.trust_remote_code), spec.adapters)

    def resolve(
        self,
        spec: SubjectSpec,
        *,
        found: Found | None = None,
        template: str | None = None,
        quantization: str | None = None,
        recipe: AnyRecipe | None = None,
    ) -> Subject:
        """What a subject's names stand for, found, fetched or made.

        Args:
            found: its weights and adapters, where they were looked for before.
            template, quantization: where it names none.
            recipe: trains its adapter, where it names that by a recipe.

        Raises:
            AssayError: a part is not there, or cannot be put on the others.
        """
        if spec.recipe is not None and recipe is None:
            raise ConfigError(
                f"recipe:{spec.recipe} is trained here, as a candidate alone",
                "train it first (assay train NAME --output DIRECTORY), and name the file or directory",
            )
        template = spec.template or template
        found = found or self.find(spec)
        weights, adapters = found.weights, found.adapters
        on_disk = adapters and not (recipe is not None and recipe.is_provided)
        here = on_disk or spec.quantization or spec.dtype or spec.template or spec.template_args
        if weights.is_served and here:
            what = "adapters on disk" if on_disk else "quantization, dtype and template"
            raise ConfigError(
                f"{weights.location} is served: {what} cannot be put on it from here",
                "name what the server itself calls the candidate (openai:NAME@URL), or pass the model's directory",
            )
        merged = [self._put_on(weights, one) for one in adapters if one.merged]
        members = [Member(one.name, one.directory, weights) for one in merged]
        if merged:
            weights = merged_model(weights, merged, **self._trust)
        loose = [one for one in adapters if not one.merged]
        if recipe is None:
            put_on = [self._put_on(weights, one) for one in loose]
        elif isinstance(recipe, Recipe) and recipe.is_provided:
            weights, put_on = self._tune(recipe), []
        elif recipe.trains_whole:
            weights, put_on = ResolvedModel(f"recipe:{recipe.name}", self._train(recipe), recipe.name), []
        else:
            put_on = [ResolvedAdapter(f"recipe:{recipe.name}", self._train(recipe), recipe.name)]
        members += [Member(one.name, one.directory, weights) for one in put_on]
        adapter, stack = self._combined(weights, put_on, [one.weight for one in loose], spec)
        if weights.is_served and (template not in (None, "base") or spec.template_args):
            raise ConfigError(
                f"{weights.name} is served, and its server renders the chat template",
                "start the server with that template and these arguments, and take `template:` and `template_args:` out",
            )
        return Subject(
            weights,
            members=members if merged or stack is not None else (),
            dtype=spec.dtype or self.dtype,
            quantization=spec.quantization or quantization or self.quantization,
            device=self.device,
            adapter=adapter,
            stack=stack,
            chat_template=chosen_template(template, adapter),
            template_args={**self.settings.config.template_args, **spec.template_args},
            system_prompt=self.settings.config.system_prompt,
            decoding=self.settings.config.serving.decoding.acting,
            trust_remote_code=self.settings.trust_remote_code,
        )

    def check(self, *specs: SubjectSpec) -> None:
        """Refuse what is named and lies on this machine, but is neither a model nor an adapter; nothing is fetched or trained.

        Raises:
            AssayError: one of them cannot be measured.
        """
        for spec in specs:
            adapters = spec.adapters
            if spec.model is not None and spec.model.kind == "local":
                adapters = self.find(spec).adapters
            for adapter in adapters:
                if adapter.kind == "local":
                    resolve_adapter(adapter)

    def _put_on(self, weights: ResolvedModel, named: AdapterSpec) -> ResolvedAdapter:
        """An adapter, under the names of the weights that it is put on."""
        found = resolve_adapter(named)
        if weights.is_served:
            return found
        return named_as_the_base(found, weights.directory, trust_remote_code=self.settings.trust_remote_code)

    def _combined(
        self, weights: ResolvedModel, put_on: Sequence[ResolvedAdapter], weighting: Sequence[float], spec: SubjectSpec
    ) -> tuple[ResolvedAdapter | None, Stack | None]:
        """The one adapter on the weights, and what it was made of."""
        if not put_on or spec.recipe is not None or (len(put_on) == 1 and weighting == [1.0]):
            return next(iter(put_on), None), None
        stack = Stack([one.directory for one in put_on], weighting, spec.combination, spec.density)
        directory = stack.combined(weights.directory, **self._trust)
        name = " + ".join(
            one.name if weight == 1 else f"{weight:g} {one.name}" for one, weight in zip(put_on, weighting, strict=True)
        )
        return ResolvedAdapter(name, directory), stack

    @property
    def _trust(self) -> Trust:
        """What may lie beside adapters, and whether a model's own code runs."""
        return {
            "allowed": self.settings.config.integrity.allow_files,
            "trust_remote_code": self.settings.trust_remote_code,
        }

    def _training(self, recipe: Recipe) -> Training:
        return {
            "recipe": recipe.on(self.base.name),
            "base_digest": base_digest(self.base.directory),
            "cache_dir": cache_dir() / "adapters",
        }

    @property
    def tuning(self) -> Tuning:
        """What a provider trains, and where what tells of it is kept.

        Raises:
            ConfigError: the base is not served.
        """
        served = self.base_spec.served
        if served is None or served.scheme != "openai":
            raise ConfigError(
                f"method openai trains a model where it is served, and the base is {self.base_spec.value}",
                "name it as openai:NAME@URL",
            )
        return {"served": served, "cache_dir": cache_dir() / "adapters"}

    def _tune(self, recipe: Recipe) -> ResolvedModel:
        self.trained = tuned = tune(recipe, **self.tuning)
        return ResolvedModel(tuned.served.name, tuned.served, recipe.name, tuned.path)

    @property
    def _staging(self) -> Staging:
        return Staging(self.base, base_digest(self.base.directory), cache_dir() / "adapters", self._trust)

    def _train(self, recipe: AnyRecipe) -> Path:
        if isinstance(recipe, StagedRecipe):
            passes = partial(check_stage, settings=self.settings, base=self.base.directory)
            self.trained = self._staging.train(recipe.on(self.base.name), passes)
        else:
            self.trained = train(base_path=str(self.base.directory), **self._training(recipe))
        return self.trained.path

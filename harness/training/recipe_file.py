"""What a recipe may say: its keys, and what of them does not go together. Checked without torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from harness.config.base import Count, Named, Text, objection
from harness.config.spec import parse_openai
from harness.errors import ConfigError, nearest
from harness.models.adapters.kind import AS_LORA
from harness.tasks.kinds import Texts
from harness.training.arguments import (
    LORA,
    LOSS_SWITCHES,
    UNTRAINABLE,
    Objection,
    checkpointing_objection,
    is_converted,
)
from harness.training.installed import peft_configs
from harness.training.launch import Launch
from harness.training.methods import API_METHODS, GONE, METHODS, PROVIDER, ApiMethod, Method, MethodName, TrlMethod
from harness.training.recipe_data import DataFile as DataFile
from harness.training.recipe_data import Limits, RecipeData, RecipePart

Quantization = Literal["none", "nf4"]


def _method(name: Any) -> Any:
    """A method that the installed TRL has."""
    if not isinstance(name, str):  # which is told of as any value of the wrong type is
        return name
    if name in GONE:
        last, instead = GONE[name]
        raise objection(
            f"TRL {version('trl')} has no {name} any more: TRL {last} was the last that had it", f"use {instead}"
        )
    if name in METHODS and not METHODS[name].is_installed:
        raise objection(
            f"TRL {version('trl')} has no {METHODS[name].trainer}Trainer where this package knows of one",
            "install the TRL that this package names, or train by another method",
        )
    return name


def _arguments(given: Any) -> Any:
    return {} if given is None else given


class RecipeFile(RecipePart):
    """How to train an adapter, or a whole model."""

    migrated_by = "assay migrate --recipe"

    base: Text
    """model spec: a hub id, a local directory or smollm2-135m; of method openai `openai:NAME@URL`"""
    method: Annotated[MethodName, BeforeValidator(_method)] = "sft"
    """what is learnt from which rows, by a trainer of TRL's: answers (sft), pairs of a better and a worse answer (dpo, ipo,
    orpo, cpo, simpo; reward, which makes a reward model), answers that are wanted or not (kto), rewards of the model's own
    answers (grpo, rloo, online_dpo); or by a provider's fine-tuning API (openai)"""
    quantization: Quantization = "none"
    """of the base while training"""
    peft: Annotated[Mapping[str, Any] | Literal["none"], BeforeValidator(_arguments)] = Field(default={})
    """arguments of the configuration of a PEFT method (`peft_type`, LORA where it is left out); none trains all weights"""
    data: RecipeData
    """rows trained on, and rows that checkpoints are judged on"""
    grader: Texts = ()
    """metrics of the task that `data.train` names, each a reward of the answers of grpo, rloo and online_dpo"""
    reward: Texts = ()
    """functions that reward those answers as TRL calls them, each as `module:function`; modules are looked for beside
    assay.yaml too"""
    trainer: Named[Any] = Field(default={})
    """arguments of the configuration of the method's trainer, as `trl.SFTConfig`; with method openai what the API's job is told:
    its `method` (supervised, dpo or reinforcement), hyperparameters, `seed`, `suffix`, `metadata`"""
    launch: Launch | None = None
    """trains in several processes of this machine, which share the work; null trains in one"""
    limits: Limits | None = None
    """what a provider's training may take at the most; of method openai alone, which needs them"""
    early_stopping_patience: Count | None = None
    """evaluations without a better one (a lower eval_loss, a higher eval_reward) before training stops; null never stops
    early"""

    @property
    def has_validation(self) -> bool:
        """Whether checkpoints can be judged."""
        return self.data.validation is not None or self.data.split is not None

    @property
    def how(self) -> Method:
        """Its method."""
        return self.by_api if self.is_provided else self.by_trl

    @property
    def by_trl(self) -> TrlMethod:
        """Its method, of those that train here."""
        return METHODS[self.method]

    @property
    def by_api(self) -> ApiMethod:
        """Its method, of those that a provider trains by."""
        return API_METHODS[self.api_method]

    @property
    def is_provided(self) -> bool:
        """Whether a provider trains, and serves what it trained."""
        return self.method == PROVIDER

    @property
    def api_method(self) -> str:
        """The provider's method, by its name there."""
        return str(self.trainer.get("method", "supervised"))

    @property
    def trains_whole(self) -> bool:
        """Whether all weights are trained, and no adapter."""
        return self.peft == "none"

    @property
    def peft_arguments(self) -> Mapping[str, Any]:
        """Those of PEFT's configuration, without its type."""
        return {} if isinstance(self.peft, str) else self.peft

    @property
    def peft_type(self) -> str:
        """The PEFT method, as PEFT spells it."""
        return str(self.peft_arguments.get("peft_type", LORA))

    @property
    def learns_prompts(self) -> bool:
        """Whether the loss is on prompts too, and not on answers alone."""
        return any(self.trainer.get(name) is False for name in LOSS_SWITCHES)

    @property
    def is_converted(self) -> bool:
        """Whether its adapter starts by a change of the base, which is taken out of it in the end."""
        return is_converted(self.peft_arguments.get("init_lora_weights"))

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> RecipeFile:
        checks = _PROVIDED_AGREEMENTS if self.is_provided else _AGREEMENTS
        if said := next((said for check in checks if (said := check(self)) is not None), None):
            raise objection(*said)
        return self


def _peft_can_train(recipe: RecipeFile) -> Objection | None:
    if (kind := recipe.peft_type) not in (known := peft_configs()):
        return f"peft.peft_type is {kind!r}", nearest(kind, sorted(known))
    if why := UNTRAINABLE.get(kind):
        return f"peft.peft_type is {kind!r}, {why}", AS_LORA
    return None


def _base_fits(recipe: RecipeFile) -> Objection | None:
    if recipe.quantization != "none" and (recipe.trains_whole or recipe.is_converted):
        what = "peft: none trains all weights" if recipe.trains_whole else "peft.init_lora_weights changes them"
        return (
            f"quantization is {recipe.quantization!r}, which packs the base's weights, and {what}",
            "keep one of the two",
        )
    if not recipe.is_converted:
        return None
    start = recipe.peft_arguments["init_lora_weights"]
    if recipe.how.has_reference:
        return (
            f"peft.init_lora_weights is {start!r}, which changes the base, and method {recipe.method} holds the model against "
            "the base",
            "leave it out",
        )
    patterns = [name for name in ("rank_pattern", "alpha_pattern") if recipe.peft_arguments.get(name)]
    if recipe.peft_arguments.get("use_rslora") and patterns:
        return (
            f"peft.init_lora_weights is {start!r}, and PEFT converts no adapter with use_rslora and {patterns[0]}",
            "leave one of the three out",
        )
    return None


def _rewards_fit(recipe: RecipeFile) -> Objection | None:
    named = [key for key in ("grader", "reward") if getattr(recipe, key)]
    if recipe.how.rows != "prompts":
        return (
            (f"{named[0]} is of methods that reward answers, not of {recipe.method}", f"remove `{named[0]}`")
            if named
            else None
        )
    if not named:
        return (
            f"method {recipe.method} rewards answers, and nothing says by what",
            "add `reward: module:function`, or `grader: METRIC` of a task that data.train names",
        )
    weights, count = recipe.trainer.get("reward_weights"), len(recipe.grader) + len(recipe.reward)
    if isinstance(weights, list) and len(weights) != count:
        return (
            f"trainer.reward_weights are {weights}, and there are {count} rewards",
            "give one for each, the grader's first",
        )
    without = [role for role, file in recipe.data.files().items() if file.task is None]
    if recipe.grader and without:
        return (
            f"grader is {', '.join(recipe.grader)}, and data.{without[0]} names no task whose metric that would be",
            f"add `task:` to data.{without[0]}, or reward by a function (`reward: module:function`)",
        )
    return None


def _data_fit(recipe: RecipeFile) -> Objection | None:
    how, data = recipe.how, recipe.data
    if data.rehearsal is not None and not how.rehearses:
        return f"data.rehearsal is of answers to learn, and method {recipe.method} learns from {how.rows}", "remove it"
    if data.train_on != "all" and how.rows != "conversations":
        return f"data.train_on is of answers to learn, and method {recipe.method} learns from {how.rows}", "remove it"
    generated = [role for role, file in data.files().items() if file.rejected is not None]
    if generated and how.rows != "pairs":
        return (
            f"data.{generated[0]}.rejected is of pairs, and method {recipe.method} learns from {how.rows}",
            "remove it",
        )
    worded = [role for role, file in data.files().items() if file.task is not None and file.rejected is None]
    if worded and how.rows in ("pairs", "judged"):
        return f"data.{worded[0]} names a task, and rows of {how.rows} bring their own prompts", "remove `task:`"
    return None


def _evaluation_fits(recipe: RecipeFile) -> Objection | None:
    how = recipe.by_trl
    if recipe.has_validation and how.best is None:
        return f"{how.trainer}Trainer does not evaluate, and data gives validation rows", "remove them"
    return None


def _is_trained_here(recipe: RecipeFile) -> Objection | None:
    return ("limits is of method openai, which costs money", "remove `limits`") if recipe.limits is not None else None


def _can_be_provided(recipe: RecipeFile) -> Objection | None:
    try:
        parse_openai(recipe.base, "base")
    except ConfigError as error:
        return f"method openai trains a model where it is served, and {error.problem}", error.remedy
    here = ("peft", "quantization", "grader", "reward", "launch", "early_stopping_patience")
    if told := [key for key in here if key in recipe.model_fields_set]:
        return f"{told[0]} is of methods that train here, not of openai", f"remove `{told[0]}`"
    if recipe.api_method not in API_METHODS:
        return f"trainer.method is {recipe.api_method!r}", nearest(recipe.api_method, sorted(API_METHODS))
    if missing := [key for key in recipe.by_api.required if key not in recipe.trainer]:
        return f"trainer.method is {recipe.api_method}, and trainer.{missing[0]} is not given", f"add `{missing[0]}:`"
    return None


def _spending_is_bounded(recipe: RecipeFile) -> Objection | None:
    limits = recipe.limits
    if limits is None:
        return "method openai costs money, and nothing says how much at the most", "add `limits: {tokens: 1000000}`"
    if limits.cost is not None and not recipe.by_api.billed_by_tokens:
        return f"limits.cost is {limits.cost:g}, and method {recipe.api_method} is billed by hours", "remove `cost`"
    if not isinstance(recipe.trainer.get("n_epochs"), int):
        return (
            "limits.tokens is of all epochs, and trainer.n_epochs leaves it to the provider how many those are",
            "add `n_epochs: 3` under `trainer:`",
        )
    return None


def _loss_fits(recipe: RecipeFile) -> Objection | None:
    said = {recipe.trainer.get(name) for name in LOSS_SWITCHES}
    if {True, False} <= said:
        return "trainer.completion_only_loss and trainer.assistant_only_loss say otherwise", "keep one of the two"
    return None


def _checkpointing_fits(recipe: RecipeFile) -> Objection | None:
    return checkpointing_objection(recipe.peft_type, recipe.trainer)


def _validation_fits(recipe: RecipeFile) -> Objection | None:
    strategy = recipe.trainer.get("eval_strategy")
    if recipe.has_validation:
        said = "trainer.eval_strategy is 'no' but data gives validation rows"
        return (said, "remove one of the two") if strategy == "no" else None
    add = "add `data.validation` or `data.split`"
    if recipe.early_stopping_patience is not None:
        return "early_stopping_patience needs validation data", add
    return ("trainer.eval_strategy needs validation data", add) if strategy not in (None, "no") else None


_AGREEMENTS = (
    _is_trained_here, _peft_can_train, _base_fits, _rewards_fit, _data_fit, _evaluation_fits, _loss_fits, _checkpointing_fits,
    _validation_fits,
)  # fmt: skip
_PROVIDED_AGREEMENTS = (_can_be_provided, _spending_is_bounded, _data_fit)

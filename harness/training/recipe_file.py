"""What a recipe may say: its keys, and what of them does not go together. Checked without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from harness.config.base import Count, Named, Section, Text, objection
from harness.errors import nearest
from harness.models.adapters.kind import AS_LORA
from harness.tasks.formats import AUTO
from harness.tasks.kinds import Texts
from harness.training.arguments import LORA, LOSS_SWITCHES, UNTRAINABLE, Objection, is_converted
from harness.training.installed import peft_configs
from harness.training.launch import Launch
from harness.training.methods import GONE, METHODS, Method, MethodName

Quantization = Literal["none", "nf4"]


class _RecipePart(Section):
    null_is_absent = True


class DataFile(_RecipePart):
    """One data file."""

    renamed: ClassVar[Mapping[str, str]] = {"layout": "format"}

    path: Text
    """as written in the recipe; relative paths start at the recipe's root"""
    task: Text | None = None
    """a task of assay.yaml: its prompt is put to each row, system prompt and examples and all, and its right answer is
    learnt, or what is answered is graded as by it (`grader`), so that what is trained on is what is asked"""
    format: Text = AUTO
    """format of rows of answers to learn, or auto, which finds it out; text is plain text, which is learnt whole. Other methods
    tell rows by their columns"""
    limit: Count | None = None
    """rows to draw at random (by the data seed), keeping file order; null takes all"""
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    """how often a pass over the training rows sees each of this file's: 2 twice, 0.5 half of them, drawn at random (by the
    data seed)"""
    rejected: Literal["generated"] | None = None
    """of answers to learn, where a method learns from pairs: generated puts beside each the answer that the model itself gives
    before it is trained (self-play, SPIN)"""

    @model_validator(mode="after")
    def _one_reading(self) -> DataFile:
        if self.task is not None and self.format != AUTO:
            raise objection(
                f"format is {self.format!r}, and the task {self.task!r} says how rows are read", "keep one of the two"
            )
        return self


class RecipeData(_RecipePart):
    """What is trained on and what the checkpoints are judged on."""

    train: DataFile | Sequence[DataFile]
    """rows trained on; of several files those of all, each by its `weight`"""
    rehearsal: DataFile | None = None
    """general rows mixed into the training rows so that the model keeps what it knew: answers of the base itself are
    best. null mixes nothing in"""
    validation: DataFile | None = None
    """rows that checkpoints are judged on"""
    split: Annotated[float, Field(gt=0, lt=1)] | None = None
    """share of `train` held out for validation instead: 0.1 holds out a tenth of the training rows"""
    train_on: Literal["all", "last"] = "all"
    """answers of a conversation that are learnt: all that the rows do not mark otherwise (weight, train), or the last one"""
    seed: int = 0
    """draws `limit` and `split`"""

    @model_validator(mode="after")
    def _one_validation(self) -> RecipeData:
        if not self.train_files:
            raise objection("train is an empty list", "name a file")
        if self.validation is not None and self.validation.weight != 1:
            raise objection(
                f"validation.weight is {self.validation.weight:g}, and each row is judged on once", "remove it"
            )
        if self.split is not None and self.validation is not None:
            raise objection(f"split is {self.split}, and data.validation is given too", "keep one of the two")
        return self

    @property
    def train_files(self) -> Sequence[DataFile]:
        """The files of rows trained on."""
        return [self.train] if isinstance(self.train, DataFile) else self.train

    def files(self) -> dict[str, DataFile]:
        """The files given, by their keys: `train`, or `train.0` and so on where they are several."""
        several = not isinstance(self.train, DataFile)
        train = {f"train.{place}" if several else "train": file for place, file in enumerate(self.train_files)}
        others = {"rehearsal": self.rehearsal, "validation": self.validation}
        return train | {role: file for role, file in others.items() if file is not None}


def _method(name: Any) -> Any:
    """A method that the installed TRL has."""
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


class RecipeFile(_RecipePart):
    """How to train an adapter, or a whole model."""

    migrated_by = "assay migrate --recipe"

    base: Text
    """model spec: a hub id, a local directory or smollm2-135m"""
    method: Annotated[MethodName, BeforeValidator(_method)] = "sft"
    """what is learnt from which rows, by a trainer of TRL's: answers (sft), pairs of a better and a worse answer (dpo, ipo,
    orpo, cpo, simpo; reward, which makes a reward model), answers that are wanted or not (kto), rewards of the model's own
    answers (grpo, rloo, online_dpo)"""
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
    """arguments of the configuration of the method's trainer, as `trl.SFTConfig`"""
    launch: Launch | None = None
    """trains in several processes of this machine, which share the work; null trains in one"""
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
        return METHODS[self.method]

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
        if said := next((said for check in _AGREEMENTS if (said := check(self)) is not None), None):
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
    if recipe.has_validation and how.best is None:
        return f"{how.trainer}Trainer does not evaluate, and data gives validation rows", "remove them"
    return None


def _loss_fits(recipe: RecipeFile) -> Objection | None:
    said = {recipe.trainer.get(name) for name in LOSS_SWITCHES}
    if {True, False} <= said:
        return "trainer.completion_only_loss and trainer.assistant_only_loss say otherwise", "keep one of the two"
    return None


def _validation_fits(recipe: RecipeFile) -> Objection | None:
    strategy = recipe.trainer.get("eval_strategy")
    if recipe.has_validation:
        said = "trainer.eval_strategy is 'no' but data gives validation rows"
        return (said, "remove one of the two") if strategy == "no" else None
    add = "add `data.validation` or `data.split`"
    if recipe.early_stopping_patience is not None:
        return "early_stopping_patience needs validation data", add
    return ("trainer.eval_strategy needs validation data", add) if strategy not in (None, "no") else None


_AGREEMENTS = (_peft_can_train, _base_fits, _rewards_fit, _data_fit, _loss_fits, _validation_fits)

"""What one session was asked to do: the options given, over the configuration file, over the defaults."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from harness.config.base import Section
from harness.config.budget import Budget, Prices
from harness.config.candidate import TEMPLATES, adapter_subject, read_candidate, subject_spec
from harness.config.file import Config
from harness.config.options import Inconclusive, Options, PlainOptions, choices
from harness.config.profiles import Profile
from harness.config.prompt_sets import BORDERLINE_SOURCES, HARMFUL_SOURCES, SOURCES, TOXIC_SOURCES
from harness.config.sections import AUTO, Forgetting, Judging, Safety
from harness.config.spec import OPENAI, ModelSpec, ServedModel, SubjectSpec, parse_model_spec, parse_on_server
from harness.errors import ConfigError, nearest, show
from harness.paths import user_path

DATA_DIR_VARIABLE = "ASSAY_DATA_DIR"

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, kw_only=True)
class Settings(PlainOptions):
    """Options with their values resolved. Specs are parsed when first needed: listing runs takes no model on disk."""

    config: Config
    profile: Profile
    model: str | None
    """model spec text; None leaves it to the recipe, and then to the embedded model"""
    adapter: str | None
    """adapter spec text; None where no adapter was named but perhaps a `candidate`, and no recipe"""
    candidate: str | None
    """what `--candidate` says; None leaves it to `adapter`, and then to the file's `candidate:`"""
    shipped: str | None
    """what `--shipped` says; None leaves it to the file"""
    served: str | None
    """what `--served` says; None leaves it to the file"""
    served_base: str | None
    """what `--served-base` says, likewise"""
    template: str | None
    """chat template of the candidate: base, adapter or the path of a file; None where nobody chose"""
    reasoning: tuple[str, str] | Literal["auto", "none"]
    """how thoughts are told from answers"""
    inconclusive: Inconclusive
    """what an inconclusive gate does to its test"""
    reports_dir: Path
    data_dir: Path | None
    """an existing directory with local copies of benchmarks; None takes them from the hub"""
    tasks: tuple[str, ...]
    """further tasks that the candidate may not be worse at"""
    store: str
    """where names of baselines are looked up: a URL or an absolute path"""
    judge: str | None
    """model spec text of the judge; None where there is none"""
    judge_budget: Budget | None
    """what may be spent on new judgements; None for no limit"""

    @cached_property
    def model_spec(self) -> ModelSpec | None:
        """The model that option or file name.

        Raises:
            ConfigError: it is no model spec.
        """
        return None if self.model is None else parse_model_spec(self.model)

    @cached_property
    def candidate_spec(self) -> SubjectSpec | None:
        """What is on trial, by option or file; None where neither names it, nor a recipe.

        Raises:
            ConfigError: it is no subject.
        """
        if self.candidate is not None:
            return read_candidate(self.candidate)
        if self.adapter is not None:
            return adapter_subject(self.adapter)
        named = self.config.candidate
        place = f"{self.config.file}: candidate"
        return None if named is None else subject_spec(named, place, self.config.path_or_name)

    @cached_property
    def shipped_spec(self) -> SubjectSpec | None:
        """What ships, by option or file; None where neither names it.

        Raises:
            ConfigError: it is no subject.
        """
        if self.shipped is not None:
            return read_candidate(self.shipped, "--shipped")
        config = self.config
        if config.shipped is not None:
            return subject_spec(config.shipped, f"{config.file}: shipped", config.path_or_name)
        merged = config.serving.merged_copy
        return (
            None if merged is None else subject_spec(str(config.root / merged), f"{config.file}: serving.merged", str)
        )

    @cached_property
    def served_model(self) -> ServedModel | None:
        """Where the candidate is served, by option or file; else what ships, where that is a server. None where nothing is.

        Raises:
            ConfigError: it is no name on a server.
        """
        named = _on_a_server(self.served, "--served", self.config, "candidate")
        if named is not None or self.shipped_spec is None or self.shipped_spec.model is None:
            return named
        ships = self.shipped_spec.model.served
        return ships if ships is not None and ships.scheme == OPENAI else None

    @cached_property
    def served_base_model(self) -> ServedModel | None:
        """Where its base is served; None where it is not named.

        Raises:
            ConfigError: it is no name on a server.
        """
        return _on_a_server(self.served_base, "--served-base", self.config, "base")

    @cached_property
    def judge_spec(self) -> ModelSpec | None:
        """The judge that option or file name.

        Raises:
            ConfigError: it is no model spec.
        """
        return None if self.judge is None else parse_model_spec(self.judge)

    @property
    def forgetting(self) -> Forgetting:
        """The tasks that forgetting is measured on, each `auto` of the file decided."""
        return _decided(
            self.config.forgetting,
            knowledge="mmlu" if self._has("mmlu") or self.profile.benchmarks else "mini_knowledge",
            math="gsm8k" if self._has("gsm8k") or self.profile.benchmarks else "mini_math",
        )

    @property
    def safety(self) -> Safety:
        """What safety is measured on, each `auto` of the file decided; no continuations where there is no data."""
        return _decided(
            self.config.safety,
            harmful="harmful_prompts" if self._has_sources(HARMFUL_SOURCES) else "mini_harmful",
            safe="borderline_prompts" if self._has_sources(BORDERLINE_SOURCES) else "mini_borderline",
            continuations="toxic_continuations" if self._has_sources(TOXIC_SOURCES) else None,
        )

    @property
    def judging(self) -> Judging:
        """Who judges what and how, each `auto` of the file decided, but for `reads`: that depends on the judge."""
        benchmarks = self._has("alpaca_eval", "mt_bench", "vicuna_bench")
        decided = _decided(
            self.config.judge,
            task="instructions" if benchmarks else "mini_instructions",
            gold="llmbar" if self._has("llmbar") else "mini_judge",
        )
        return decided.model_copy(update={"model": self.judge})

    @property
    def judge_prices(self) -> Prices | None:
        """What the judge's tokens cost; None where the file does not say."""
        return self.config.judge.prices

    def _has_sources(self, names: Sequence[str]) -> bool:
        return self._has(*(SOURCES[name] for name in names))

    def _has(self, *paths: str) -> bool:
        return self.data_dir is not None and all((self.data_dir / path).exists() for path in paths)


def _decided(section: S, **choices: str | None) -> S:
    """A section with these choices for its keys that are `auto`."""
    return section.model_copy(update={key: one for key, one in choices.items() if getattr(section, key) == AUTO})


def make_settings(config: Config, **given: Any) -> Settings:
    """Merge options into settings.

    Args:
        given: fields of `Options`; one that is None is not given.

    Raises:
        ConfigError: an option has a value that is not among its choices, or the data directory does not exist.
    """
    options = Options(**{name: value for name, value in given.items() if value is not None})
    for name, allowed in choices().items():
        value = getattr(options, name)
        if value is not None and value not in allowed:
            raise ConfigError(f"--{name.replace('_', '-')} is {show(value)}", nearest(str(value), allowed))
    if options.sequential and options.baseline:
        raise ConfigError(
            f"--sequential and --baseline={options.baseline} contradict each other: "
            "the first leaves out items that the second needs",
            "leave one of them out",
        )
    if options.adapter and options.candidate:
        raise ConfigError(
            f"--adapter={options.adapter} and --candidate={options.candidate} both name what is on trial",
            "leave one of them out; an adapter on another model than the base is "
            "--candidate='{model: MODEL, adapter: ADAPTER}'",
        )
    profile = config.get_profile(options.profile or config.profile or "smoke")
    recipe = profile.recipe or config.recipe
    reports_dir = _reports_dir(options.reports_dir) if options.reports_dir else config.root / "reports"
    judge = config.judge.model
    return Settings(
        **{field.name: getattr(options, field.name) for field in fields(PlainOptions)},
        config=config,
        profile=profile,
        model=options.model or (config.path_or_name(config.model) if config.model else None),
        adapter=options.adapter
        or (f"recipe:{recipe}" if recipe and not (options.candidate or config.candidate) else None),
        candidate=options.candidate,
        shipped=options.shipped,
        served=options.served,
        served_base=options.served_base,
        template=_template(options.template, config),
        reasoning=_reasoning(options.reasoning, config),
        inconclusive=options.inconclusive or profile.inconclusive,
        reports_dir=reports_dir,
        data_dir=_data_dir(options.data_dir, config),
        tasks=tuple(dict.fromkeys(name.strip() for name in options.tasks.split(",") if name.strip())),
        store=_store(options.baseline_store, config) or str(reports_dir),
        judge=options.judge or (config.path_or_name(judge) if judge else None),
        judge_budget=Budget.parse(options.judge_budget, config.judge.prices) if options.judge_budget else None,
    )


def _on_a_server(given: str | None, option: str, config: Config, key: str) -> ServedModel | None:
    named: str | None = given or getattr(config.serving, key)
    return None if named is None else parse_on_server(named, option if given else f"{config.file}: serving.{key}")


def _template(given: str | None, config: Config) -> str | None:
    """An option's path starts where the user is, the file's beside the file."""
    named, root = (given, Path.cwd()) if given else (config.template, config.root)
    return (
        named
        if named in (None, *TEMPLATES)
        else str(root / user_path(str(named), "--template" if given else f"{config.file}: template"))
    )


def _reasoning(given: str | None, config: Config) -> tuple[str, str] | Literal["auto", "none"]:
    named = given or config.reasoning
    if named in ("auto", "none"):
        return "auto" if named == "auto" else "none"
    opening, comma, closing = (part.strip() for part in named.partition(","))
    if not (opening and comma and closing):
        source = "--reasoning" if given else f"{config.file}: reasoning"
        raise ConfigError(
            f"{source} is {named!r}", "write auto, none, or what opens and what closes a thought: '<think>,</think>'"
        )
    return opening, closing


def _reports_dir(given: str) -> Path:
    if "://" in given:
        remedy = "give a directory: runs are written on this disk, and kept behind a URL by --baseline-store"
        raise ConfigError(f"--reports-dir={given} is a URL", remedy)
    return user_path(given, "--reports-dir").absolute()


def _store(given: str | None, config: Config) -> str | None:
    """An option's path starts where the user is, the file's beside the file."""
    store, root = (given, Path.cwd()) if given else (config.store, config.root)
    if store is None or "://" in store:
        return store
    return str(root / user_path(store, "--baseline-store" if given else f"{config.file}: store"))


def _data_dir(given: str | None, config: Config) -> Path | None:
    """The first of option, configuration file and environment that names one."""
    named = (
        ("--data-dir", given),
        ("data_dir", config.data_dir and config.root / user_path(config.data_dir, f"{config.file}: data_dir")),
        (DATA_DIR_VARIABLE, os.environ.get(DATA_DIR_VARIABLE)),
    )
    source, path = next(((source, user_path(path, source)) for source, path in named if path), ("", None))
    if path is not None and not path.is_dir():
        raise ConfigError(
            f"{source}={path}: no such directory", "give the directory that holds mmlu/, gsm8k/ and the like"
        )
    return None if path is None else path.absolute()

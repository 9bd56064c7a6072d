"""What one session was asked to do: the options given, over the configuration file, over the defaults."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.config import AUTO, Config, Forgetting, Inconclusive, Judging, Profile, Safety
from harness.errors import ConfigError
from harness.judging.budget import Budget, Prices
from harness.models.device import DTYPES, QUANTIZATIONS
from harness.models.spec import EMBEDDED_NAME
from harness.runs.stores import Store, default_store
from harness.safety.sets import BORDERLINE_SOURCES, HARMFUL_SOURCES, SOURCES, TOXIC_SOURCES

DATA_DIR_VARIABLE = "ASSAY_DATA_DIR"


@dataclass(frozen=True)
class Settings:
    """Options with their values resolved.

    Attributes:
        model: model spec text; None leaves it to the recipe, and then to the embedded model.
        adapter: adapter spec text; None where neither an adapter nor a recipe was named.
        quantization: of the base while measuring; None takes what the recipe trains on, and "none" without a recipe.
        inconclusive: what an inconclusive gate does to its test.
        data_dir: an existing directory with local copies of benchmarks; None takes them from the hub.
        tasks: further tasks that the candidate may not be worse at.
        chat_template: put lm-eval's tasks as conversations.
        sequential: ask large benchmarks in random order, and stop as soon as a gate is decided.
        baseline: the run to hold the candidate against as well: a baseline's name, a run id, a path or a URL.
        store: where names of baselines are looked up.
        strict: a gate that the baseline has and this run lacks fails.
        judge: model spec text of the judge; None where there is none.
        judge_budget: what may be spent on new judgements; None for no limit.
        keep_going: measure on where the integrity suite has failed.
    """

    config: Config
    profile: Profile
    model: str | None
    adapter: str | None
    dtype: str
    device: str
    quantization: str | None
    inconclusive: Inconclusive
    trust_remote_code: bool
    reports_dir: Path
    data_dir: Path | None
    tasks: tuple[str, ...]
    chat_template: bool
    sequential: bool
    baseline: str | None
    store: Store
    strict: bool
    judge: str | None
    judge_budget: Budget | None
    keep_going: bool

    @property
    def forgetting(self) -> Forgetting:
        """The tasks that forgetting is measured on, each `auto` of the file decided."""
        chosen = self.config.forgetting
        return Forgetting(
            knowledge=self._benchmark("mmlu", "mini_knowledge") if chosen.knowledge == AUTO else chosen.knowledge,
            math=self._benchmark("gsm8k", "mini_math") if chosen.math == AUTO else chosen.math,
            text=chosen.text,
        )

    def _benchmark(self, name: str, mini: str) -> str:
        at_hand = self.data_dir is not None and (self.data_dir / name).is_dir()
        return name if at_hand or self.profile.benchmarks else mini

    @property
    def safety(self) -> Safety:
        """What safety is measured on, each `auto` of the file decided; no continuations where there is no data."""
        chosen = self.config.safety
        harmful, safe, continuations = chosen.harmful, chosen.safe, chosen.continuations
        if harmful == AUTO:
            harmful = "harmful_prompts" if self._has_sources(HARMFUL_SOURCES) else "mini_harmful"
        if safe == AUTO:
            safe = "borderline_prompts" if self._has_sources(BORDERLINE_SOURCES) else "mini_borderline"
        if continuations == AUTO:
            continuations = "toxic_continuations" if self._has_sources(TOXIC_SOURCES) else None
        return replace(chosen, harmful=harmful, safe=safe, continuations=continuations)

    def _has_sources(self, names: Sequence[str]) -> bool:
        return self.data_dir is not None and all((self.data_dir / SOURCES[name]).exists() for name in names)

    @property
    def judging(self) -> Judging:
        """Who judges what and how, each `auto` of the file decided, but for `reads`: that depends on the judge."""
        chosen = self.config.judge
        task, gold = chosen.task, chosen.gold
        if task == AUTO:
            task = "instructions" if self._has("alpaca_eval", "mt_bench", "vicuna_bench") else "mini_instructions"
        if gold == AUTO:
            gold = "llmbar" if self._has("llmbar") else "mini_judge"
        return replace(chosen, model=self.judge, task=task, gold=gold)

    @property
    def judge_prices(self) -> Prices | None:
        """What the judge's tokens cost; None where the file does not say."""
        return _judge_prices(self.config.judge)

    def _has(self, *names: str) -> bool:
        return self.data_dir is not None and all((self.data_dir / name).is_dir() for name in names)

    @property
    def fallback_model(self) -> str:
        """The model where neither option, file nor recipe names one."""
        return self.model or EMBEDDED_NAME


def make_settings(
    config: Config,
    *,
    model: str | None = None,
    adapter: str | None = None,
    profile: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    quantization: str | None = None,
    inconclusive: str | None = None,
    trust_remote_code: bool = False,
    reports_dir: str | None = None,
    data_dir: str | None = None,
    tasks: str | None = None,
    chat_template: bool = False,
    sequential: bool = False,
    baseline: str | None = None,
    baseline_store: str | None = None,
    strict: bool = False,
    judge: str | None = None,
    judge_budget: str | None = None,
    keep_going: bool = False,
) -> Settings:
    """Merge options into settings; None means not given.

    Args:
        tasks: names separated by commas.

    Raises:
        ConfigError: an option has a value that is not among its choices, or the data directory does not exist.
    """
    if sequential and baseline:
        raise ConfigError(
            f"--sequential and --baseline={baseline} contradict each other: the first leaves out items that the second needs",
            "leave one of them out",
        )
    chosen = config.get_profile(profile or config.profile or "smoke")
    recipe = chosen.recipe or config.recipe
    reports = Path(reports_dir).absolute() if reports_dir else config.root / "reports"
    return Settings(
        config=config,
        profile=chosen,
        model=model or (config.model_spec(config.model) if config.model else None),
        adapter=adapter or (f"recipe:{recipe}" if recipe else None),
        dtype=_one_of("--dtype", dtype or "auto", DTYPES),
        device=device or "auto",
        quantization=None if quantization is None else _one_of("--quantization", quantization, QUANTIZATIONS),
        inconclusive="warn"
        if _one_of("--inconclusive", inconclusive or chosen.inconclusive, ("fail", "warn")) == "warn"
        else "fail",
        trust_remote_code=trust_remote_code,
        reports_dir=reports,
        data_dir=_data_dir(data_dir, config),
        tasks=tuple(dict.fromkeys(name.strip() for name in (tasks or "").split(",") if name.strip())),
        chat_template=chat_template,
        sequential=sequential,
        baseline=baseline,
        store=_store(baseline_store, config, reports),
        strict=strict,
        judge=judge or (config.model_spec(config.judge.model) if config.judge.model else None),
        judge_budget=None if judge_budget is None else Budget.parse(judge_budget, _judge_prices(config.judge)),
        keep_going=keep_going,
    )


def _store(given: str | None, config: Config, reports_dir: Path) -> Store:
    """An option's path starts where the user is, the file's beside the file."""
    return default_store(given or config.store, Path.cwd() if given else config.root, reports_dir)


def _judge_prices(judging: Judging) -> Prices | None:
    prices = judging.price_input, judging.price_output
    if prices[0] is None and prices[1] is None:
        return None
    if prices[0] is None or prices[1] is None:
        raise ConfigError("judge: has one price of two", "give price_input and price_output, in US dollars a million")
    return Prices(prices[0], prices[1])


def _data_dir(given: str | None, config: Config) -> Path | None:
    """The first of option, configuration file and environment that names one."""
    places = (
        ("--data-dir", given),
        ("data_dir", config.data_dir),
        (DATA_DIR_VARIABLE, os.environ.get(DATA_DIR_VARIABLE)),
    )
    said, place = next(((said, place) for said, place in places if place), ("", None))
    if place is None:
        return None
    if not Path(place).is_dir():
        raise ConfigError(
            f"{said}={place}: no such directory", "give the directory that holds mmlu/, gsm8k/ and the like"
        )
    return Path(place).absolute()


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ConfigError(f"{option}={value} is unknown", f"choose one of: {', '.join(choices)}")
    return value

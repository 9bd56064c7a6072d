"""What one session was asked to do: the options given, over the configuration file, over the defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.config import AUTO, Config, Forgetting, Inconclusive, Profile
from harness.errors import ConfigError
from harness.models.device import DTYPES, QUANTIZATIONS
from harness.models.spec import EMBEDDED_NAME

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
) -> Settings:
    """Merge options into settings; None means not given.

    Args:
        tasks: names separated by commas.

    Raises:
        ConfigError: an option has a value that is not among its choices, or the data directory does not exist.
    """
    chosen = config.get_profile(profile or config.profile or "smoke")
    recipe = chosen.recipe or config.recipe
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
        reports_dir=Path(reports_dir).absolute() if reports_dir else config.root / "reports",
        data_dir=_data_dir(data_dir, config),
        tasks=tuple(dict.fromkeys(name.strip() for name in (tasks or "").split(",") if name.strip())),
        chat_template=chat_template,
    )


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

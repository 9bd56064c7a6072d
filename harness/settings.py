"""What one session was asked to do: the options given, over the configuration file, over the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.config import Config, Inconclusive, Profile
from harness.errors import ConfigError
from harness.models.device import DTYPES, QUANTIZATIONS
from harness.models.spec import EMBEDDED_NAME


@dataclass(frozen=True)
class Settings:
    """Options with their values resolved.

    Attributes:
        model: model spec text; None leaves it to the recipe, and then to the embedded model.
        adapter: adapter spec text; None where neither an adapter nor a recipe was named.
        quantization: of the base while measuring; None takes what the recipe trains on, and "none" without a recipe.
        inconclusive: what an inconclusive gate does to its test.
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
) -> Settings:
    """Merge options into settings; None means not given.

    Raises:
        ConfigError: an option has a value that is not among its choices.
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
    )


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ConfigError(f"{option}={value} is unknown", f"choose one of: {', '.join(choices)}")
    return value

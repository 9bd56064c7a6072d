"""Loads the configured judge model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from harness.config import FILE_NAME
from harness.config.settings import Settings
from harness.engines import AnswerCache, Backend
from harness.engines.backends import make_backend, served_identity
from harness.errors import ConfigError
from harness.judges.engine import JudgeEngine
from harness.models import Identity, ResolvedModel, ServedModel, model_identity, resolve_model
from harness.records import JudgeFacts

if TYPE_CHECKING:
    from harness.models.loading import LoadedModel, LoadOptions


@dataclass(frozen=True)
class BaseModel:
    """The base under test, for a judge that is the same model: one in memory then serves both."""

    model: ResolvedModel
    identity: Callable[[], Identity]
    backend: Callable[[], Backend]


@dataclass(frozen=True)
class LoadedJudge:
    """A judge model, on disk or served, with its identity and engine."""

    model: ResolvedModel
    identity: Identity
    engine: JudgeEngine

    def facts(self, settings: Settings) -> JudgeFacts:
        """Who judged and how, and what was newly spent on it."""
        limits, spent, prices = settings.judging, self.engine.spent, settings.judge_prices
        cost: dict[str, Any] = {"cost_usd": round(prices.cost_usd(spent), 4)} if prices else {}
        return JudgeFacts(
            name=self.model.name,
            digest=self.identity.digest,
            parts=self.identity.parts,
            mode=limits.mode,
            reads=limits.reads,
            against=limits.against,
            prompt_tokens=spent.prompt,
            completion_tokens=spent.completion,
            **cost,
        )


def load_judge(
    settings: Settings, base: BaseModel, answers: AnswerCache, options: LoadOptions, *, processes: int = 1
) -> LoadedJudge:
    """The judge model that the settings name; its weights are loaded when it is first asked.

    Args:
        options: how a judge of its own is loaded.
        processes: that share the budget.
    """
    if settings.judge_spec is None:
        raise ConfigError("there is no judge", f"pass --judge=MODEL, or name `judge: model:` in {FILE_NAME}")
    model = resolve_model(settings.judge_spec, trust_remote_code=settings.trust_remote_code)
    if model.location == base.model.location:
        identity, backend = base.identity(), base.backend()
    else:
        identity = _identity(model, options)
        load = cache(partial(_load, model, options))
        backend = make_backend(model.location, load, concurrency=settings.judging.concurrency)
    engine = JudgeEngine(
        identity.digest,
        backend,
        answers,
        budget=None if settings.judge_budget is None else settings.judge_budget.shared(processes),
    )
    return LoadedJudge(model, identity, engine)


def _identity(model: ResolvedModel, options: LoadOptions) -> Identity:
    if isinstance(model.location, ServedModel):
        return served_identity(model.location)
    return model_identity(
        model.location,
        dtype=options.dtype,
        quantization=options.quantization,
        device=options.device,
        trust_remote_code=options.trust_remote_code,
    )


def _load(model: ResolvedModel, options: LoadOptions) -> LoadedModel:
    from harness.models.loading import load_model

    return load_model(model.directory, options)

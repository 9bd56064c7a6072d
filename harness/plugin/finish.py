"""At the end of the session: one run directory out of all that was measured, and what it left out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import AssayError
from harness.gates.sequential_savings import savings
from harness.plugin.gating import fails_test
from harness.records import (
    AnswerCounts,
    BaselineFacts,
    JudgeFacts,
    Machine,
    Manifest,
    ModelFacts,
    ProcessFacts,
    RunOptions,
    RunStatus,
    Verdict,
)
from harness.runs.gate_names import with_unique_names

if TYPE_CHECKING:
    from harness.config import Config
    from harness.plugin.baseline import BaselineRun
    from harness.plugin.state import State

_SPENT = ("prompt_tokens", "completion_tokens", "cost_usd")
_RAN_TO_ITS_END = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


def finish_run(state: State, session: pytest.Session) -> None:
    """Write the run directory, if anything was measured or decided.

    A failure to write it stands in the terminal summary and fails the session.
    """
    if session.config.option.setuponly:
        return  # no test was called: nothing was measured
    own = state.facts()
    processes = [*state.worker_facts, *([own] if own is not None else [])]
    if not state.verdicts and not processes and not _lacks_everything(state):
        return
    cut_short = session.exitstatus not in _RAN_TO_ITS_END or bool(session.shouldstop) or bool(session.shouldfail)
    status: RunStatus = "interrupted" if cut_short else "complete"
    state.verdicts = with_unique_names(state.verdicts)
    try:
        facts: dict[str, Any] = {}
        if state.baseline is not None:
            base = _first(processes, "model") or ModelFacts()
            facts["baseline"] = _hold_against(state, state.baseline, session, status, base)
        facts |= _judge(state, session, status)
        if session.exitstatus == pytest.ExitCode.OK and any(fails_test(one, state.settings) for one in state.verdicts):
            # no test's own, or of one that a plugin ran again and counts as passed
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        manifest = _manifest(state, processes).model_copy(update=facts)
        if status == "complete" and not state.deselected and not manifest.selected:
            unused = {
                "unused_limits": _unused_limits(state.settings.config, state.verdicts),
                "unused_severities": state.policy.unused_severities(state.verdicts),
            }
            manifest = manifest.model_copy(update=unused)
        state.manifest = manifest
        state.run_directory = state.writer().finish(
            manifest, state.verdicts, status, training=_first(processes, "training_document")
        )
    except (AssayError, OSError) as exc:
        state.write_error = str(exc)
        session.exitstatus = max(session.exitstatus, pytest.ExitCode.TESTS_FAILED)


def _hold_against(
    state: State, baseline: BaselineRun, session: pytest.Session, status: RunStatus, base: ModelFacts
) -> BaselineFacts:
    """Whether both stand on one base, and what only one of them has; under `--strict` a gate that this one lacks fails the
    session."""
    facts = baseline.facts(state.verdicts)
    if status != "complete":
        return facts.model_copy(update={"missing": ()})  # it never got there
    if state.verdicts and base.parts:
        state.verdicts.append(state.policy.applied(baseline.same_base(base), "supporting"))
    if state.settings.strict and facts.missing:
        state.verdicts.extend(baseline.missing(facts.missing))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return facts


def _lacks_everything(state: State) -> bool:
    """Whether gates are required and each test that gates was skipped or deselected."""
    left_out = bool(state.skipped or state.deselected) and not state.config.option.collectonly
    return left_out and bool(state.settings.config.required)


def _judge(state: State, session: pytest.Session, status: RunStatus) -> dict[str, Any]:
    """What only the whole run shows of its waivers and required gates; what blocks it then fails the session."""
    policy = state.policy
    if status == "complete":  # else it never got there
        settled = policy.settled(state.verdicts)
        missing = policy.missing(settled, state.skipped, state.deselected)
        if missing or settled != state.verdicts:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        state.verdicts = [*settled, *missing]
    given = {"waivers": policy.waivers(state.verdicts), "required": policy.config.required}
    return {key: value for key, value in given.items() if value}


def _unused_limits(config: Config, verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """Limits of single tasks that no gate measured: a misspelt task would keep the general limits, unnoticed."""
    measured = {verdict.task for verdict in verdicts}
    sections = (("margins", config.margins.tasks), ("overfitting", config.overfitting.tasks))
    return tuple(f"{name}.tasks.{task}" for name, limits in sections for task in limits if task not in measured)


def _manifest(state: State, processes: Sequence[ProcessFacts]) -> Manifest:
    from harness.models.device import library_versions, machine_facts

    settings, profile = state.settings, state.settings.profile
    merged = {
        key: fact for key in ("model", "adapter", "shipped", "precision", "engine") if (fact := _first(processes, key))
    }
    if parents := {parent.name: parent for facts in processes for parent in facts.parents}:
        merged["parents"] = tuple(parents.values())
    trainings = [facts.training for facts in processes if facts.training]
    if trainings:  # of parallel workers one trained, the others found its adapter in the cache
        merged["training"] = min(trainings, key=lambda training: training.from_cache)
    judges = [facts.judge for facts in processes if facts.judge]
    if judges:
        merged["judge"] = _sum_spent(judges)
    if settings.sequential:
        merged["sequential"] = savings([facts.progress for facts in processes])
    recorded = set(RunOptions.model_fields)
    said = {name: getattr(settings, name) for name in recorded if hasattr(settings, name)}
    given = {**profile.model_dump(include=recorded), **said}
    return Manifest(
        **merged,
        started=datetime.fromtimestamp(state.started, UTC).isoformat(timespec="seconds"),
        profile=profile.name,
        command=" ".join(["pytest", *state.config.invocation_params.args]),
        options=RunOptions(**given | {"judge_budget": settings.judge_budget.show() if settings.judge_budget else None}),
        data={name: task for facts in processes for name, task in facts.data.items()},
        answers=AnswerCounts(
            cached=sum(facts.answers.cached for facts in processes),
            computed=sum(facts.answers.computed for facts in processes),
        ),
        deselected=state.deselected,
        selected=narrowed_by(state.config),
        skipped=tuple(state.skipped),
        versions=library_versions(),
        machine=Machine(**machine_facts()),
        peak_memory_gib=max((facts.peak_memory_gib or 0.0 for facts in processes), default=None),
        duration_s=round(time.time() - state.started, 1),
    )


def _sum_spent(judges: Sequence[JudgeFacts]) -> JudgeFacts:
    """One judge's facts out of those of several processes: each counted what it had computed itself."""
    merged = {key: value for facts in judges for key, value in facts.to_json().items()}
    spent = {key: sum(getattr(facts, key) for facts in judges) for key in _SPENT if key in merged}
    return JudgeFacts(**merged | spent)


def _first(processes: Sequence[ProcessFacts], key: str) -> Any:
    return next((fact for facts in processes if (fact := getattr(facts, key))), None)


def narrowed_by(config: pytest.Config) -> tuple[str, ...]:
    """The arguments that narrowed this session to a part of the suites; empty where none did.

    Those are files and tests named instead of directories, `--ignore`, `--ignore-glob`, `--lf` and `--sw`. What the
    project's own `addopts` and `testpaths` say holds for every run, and so is no part of one. `-k`, `-m` and `--deselect`
    are counted by what they deselect.
    """
    given = [
        *(_narrowing_paths(config) if config.args_source is config.ArgsSource.ARGS else ()),
        *_options(config, "--ignore", "ignore"),
        *_options(config, "--ignore-glob", "ignore_glob"),
        *(flag for flag, name in (("--lf", "lf"), ("--sw", "stepwise")) if config.getoption(name, False)),
    ]
    always = config.getini("addopts")
    return tuple(one for one in given if one not in always and one.partition("=")[2] not in always)


def _narrowing_paths(config: pytest.Config) -> list[str]:
    directory = config.invocation_params.dir
    return [path for path in config.args if "::" in path or (directory / path).is_file()]


def _options(config: pytest.Config, flag: str, name: str) -> list[str]:
    return [f"{flag}={value}" for value in config.getoption(name, None) or ()]

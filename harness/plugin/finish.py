"""At the end of the session: one run directory out of all that was measured, and what it left out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import AssayError
from harness.gates.sequential_savings import savings
from harness.records import RunStatus, Verdict
from harness.runs.gate_names import with_unique_names

if TYPE_CHECKING:
    from harness.config import Config
    from harness.plugin.baseline import BaselineRun
    from harness.plugin.state import State

_RAN_TO_ITS_END = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
# of the settings and their profile, what the manifest tells
_OPTIONS = {"model", "adapter", "tasks", "chat_template", "sequential", "judge", "inconclusive", "trust_remote_code"}
_SIZES = {"limit", "limits", "subjects", "train_rows"}


def finish_run(state: State, session: pytest.Session) -> None:
    """Write the run directory, if anything was measured or decided.

    A failure to write it is told in the terminal summary and fails the session.
    """
    own = state.facts()
    processes = [*state.worker_facts, *([own] if own is not None else [])]
    if not state.verdicts and not processes:
        return
    cut_short = session.exitstatus not in _RAN_TO_ITS_END or bool(session.shouldstop) or bool(session.shouldfail)
    status: RunStatus = "interrupted" if cut_short else "complete"
    state.verdicts = with_unique_names(state.verdicts)
    try:
        state.manifest = _manifest(state, processes)
        if state.baseline is not None:
            state.manifest["baseline"] = _hold_against(state, state.baseline, session, status)
        if status == "complete" and not state.deselected and not state.manifest["selected"]:
            state.manifest["unused_limits"] = _unused_limits(state.settings.config, state.verdicts)
        state.run_directory = state.writer().finish(
            state.manifest, state.verdicts, status, training=_first(processes, "training_document")
        )
    except AssayError as exc:
        state.write_error = str(exc)
        session.exitstatus = max(session.exitstatus, pytest.ExitCode.TESTS_FAILED)


def _hold_against(state: State, baseline: BaselineRun, session: pytest.Session, status: RunStatus) -> dict[str, Any]:
    """What only one of the two runs has; under `--strict` a gate that this one lacks fails the session."""
    facts = baseline.facts(state.verdicts)
    if status != "complete":
        return {**facts, "missing": []}  # it never got there
    if state.settings.strict and facts["missing"]:
        state.verdicts.extend(baseline.missing(facts))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return facts


def _unused_limits(config: Config, verdicts: Sequence[Verdict]) -> list[str]:
    """Limits of single tasks that no gate measured: a misspelt task would keep the general limits, unnoticed."""
    measured = {verdict.task for verdict in verdicts}
    sections = (("margins", config.margins.tasks), ("overfitting", config.overfitting.tasks))
    return [f"{name}.tasks.{task}" for name, limits in sections for task in limits if task not in measured]


def _manifest(state: State, processes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    from harness.models.machine import library_versions, machine_facts

    settings = state.settings
    found = {key: _first(processes, key) for key in ("model", "adapter", "precision", "engine")}
    merged: dict[str, Any] = {key: value for key, value in found.items() if value}
    trainings = [facts["training"] for facts in processes if "training" in facts]
    if trainings:  # of parallel workers one trained, the others found its adapter in the cache
        merged["training"] = min(trainings, key=lambda training: training["from_cache"])
    judges = [facts["judge"] for facts in processes if "judge" in facts]
    if judges:
        merged["judge"] = _sum_spent(judges)
    if settings.sequential:
        merged["sequential"] = savings([facts["parts"] for facts in processes])
    return {
        **merged,
        "profile": settings.profile.name,
        "command": " ".join(["pytest", *state.config.invocation_params.args]),
        "options": {
            **settings.model_dump(mode="json", include=_OPTIONS),
            **settings.profile.model_dump(mode="json", include=_SIZES),
            "judge_budget": settings.judge_budget.show() if settings.judge_budget else None,
        },
        "data": {name: task for facts in processes for name, task in facts["data"].items()},
        "answers": {kind: sum(facts["answers"][kind] for facts in processes) for kind in ("cached", "computed")},
        "deselected": state.deselected,
        "selected": narrowed_by(state.config),
        "skipped": [{"test": test, "reason": reason} for test, reason in state.skipped],
        "versions": library_versions(),
        "machine": machine_facts(),
        "peak_memory_gib": max((facts["peak_memory_gib"] for facts in processes), default=None),
        "duration_s": round(time.time() - state.started, 1),
    }


def _sum_spent(judges: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One judge's facts out of those of several processes: each counted what it had computed itself."""
    merged = {key: value for facts in judges for key, value in facts.items()}
    for name in ("prompt_tokens", "completion_tokens", "cost_usd"):
        if name in merged:
            merged[name] = sum(facts[name] for facts in judges)
    return merged


def _first(processes: Sequence[dict[str, Any]], key: str) -> Any:
    return next((facts[key] for facts in processes if facts.get(key)), None)


def narrowed_by(config: pytest.Config) -> list[str]:
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
    return [argument for argument in given if argument not in always and argument.partition("=")[2] not in always]


def _narrowing_paths(config: pytest.Config) -> list[str]:
    directory = config.invocation_params.dir
    return [path for path in config.args if "::" in path or (directory / path).is_file()]


def _options(config: pytest.Config, flag: str, name: str) -> list[str]:
    return [f"{flag}={value}" for value in config.getoption(name, None) or ()]

"""`assay check`: all that files can tell of a run before it is begun, its first prompts, and what it will take."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import Complaints, ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from harness.config.settings import Settings
    from harness.engines import Request
    from harness.gates.policy import Collected, ReleasePolicy
    from harness.session.model_pair import ModelPair
    from harness.tasks.base import TaskLike

_MOST_LINES = 40
_ENCODED_AT_ONCE = 256


def add_check_command(commands: Any) -> None:
    """Add `check` to the commands of `assay`."""
    check = commands.add_parser(
        "check",
        help="read all that a run will need, show the first prompt of each task, and estimate the run",
        epilog="loads no model; exits 0 when all is in order, 2 when something is wrong; gates on training data, which "
        "need no model either: pytest suites/test_data.py",
    )
    for option, meaning in (
        ("profile", "sizes and margins (default: that of assay.yaml, else smoke)"),
        ("model", "the base, as for pytest"),
        ("adapter", "directory, hub id or recipe:NAME"),
        ("candidate", "what is on trial, as for pytest"),
        ("tasks", "further tasks, with commas between them"),
        ("data-dir", "directory with local copies of benchmarks"),
        ("judge", "model spec of the judge"),
    ):
        check.add_argument(f"--{option}", help=meaning)
    check.add_argument("--config", metavar="FILE", help="another file than the assay.yaml found from here upwards")
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> None:
    from harness.config import find_config
    from harness.config.settings import make_settings
    from harness.session.model_pair import ModelPair

    options = ("profile", "model", "adapter", "candidate", "tasks", "data_dir", "judge")
    config = find_config(arguments.config, [Path.cwd()])
    settings = make_settings(config, **{name: getattr(arguments, name) for name in options})
    tasks, pair = checked_tasks(settings), ModelPair(settings)
    tokenizer = _tokenizer(pair)
    print(f"{config.file}: profile {settings.profile.name}\n")
    print(_table(tasks, tokenizer))
    if tokenizer is None:
        print("\ntokens are not counted, and prompts not rendered: the base's tokenizer is not on this machine")
    if pair.recipe is not None:
        print(f"\n{_training(pair, tokenizer)}")
    for task in tasks:
        _print_first_prompt(task, tokenizer)
    for warning in release_policy(settings).foreseen(shipped_suites(settings)):
        print(f"\n{warning}")
    print(f"\n{forecast(pair, tasks)}")


def release_policy(settings: Settings) -> ReleasePolicy:
    """What the configuration says of gates today; no adapter is known."""
    from harness.gates.policy import ReleasePolicy

    return ReleasePolicy(settings.config, datetime.now(UTC).date(), lambda: "")


def shipped_suites(settings: Settings) -> dict[str, Collected]:
    """The suites that ship, as far as waivers and severities can be held against them."""
    from harness.gates.policy import Collected
    from harness.session.needs import configured_gates

    gates = [use.gate for task in settings.config.tasks for use in configured_gates(settings, task)]
    return {
        "integrity": Collected("critical"),
        "task": Collected("supporting", {one.name: one.severity for one in gates}),
    }


def checked_tasks(settings: Settings) -> list[TaskLike]:
    """The tasks that the suites will measure, built, with all that is needed beside them checked.

    Raises:
        ConfigError: something is wrong; it tells every complaint.
    """
    from harness.session.needs import everything
    from harness.session.preflight import check_files
    from harness.tasks.lookup import find_task

    built: dict[tuple[str, int | None], TaskLike] = {}

    def find(name: str, fewshot: int | None) -> TaskLike:
        if (name, fewshot) not in built:
            built[name, fewshot] = find_task(name, settings, fewshot=fewshot, judge=_not_asked)
        return built[name, fewshot]

    complaints = Complaints()
    needs = everything(settings, complaints)
    check_files(settings, needs, find, complaints)
    complaints.tell(ConfigError)
    for fault in release_policy(settings).check(shipped_suites(settings)):
        complaints.noted.append(fault)
    complaints.tell(ConfigError)
    return list({task.name: task for task in (find(*named) for named in needs.measured)}.values())


def print_configuration() -> None:
    """What `assay doctor` says of the configuration found from here upwards.

    What a smoke run takes here, and what the servers and the judge say that it names; or what is wrong.

    Raises:
        ConfigError: something is wrong; it tells every complaint.
    """
    from harness.config import find_config
    from harness.config.settings import make_settings
    from harness.session.model_pair import ModelPair

    config = find_config(None, [Path.cwd()])
    if not config.file.is_file():
        print(f"\nconfiguration\n  none found from here upwards: `assay init` writes {config.file}")
        return
    settings = make_settings(config, profile="smoke")
    print(f"\nconfiguration\n  {config.file}")
    complaints, pair = Complaints(), ModelPair(settings)
    with complaints.noting():
        tasks = checked_tasks(settings)
    with complaints.noting():
        _print_served("base", pair.finder.base_spec, "--model")
        if not complaints.noted:
            told = forecast(pair, tasks).replace("\n", "\n  ")
            print(f"  {told}")
    with complaints.noting():
        named = settings.candidate_spec
        if named is not None and named.model is not None and named.model.served is not None:
            _print_served("candidate", named.model, "--candidate")
    with complaints.noting():
        if settings.judge_spec is not None:
            _print_served("judge", settings.judge_spec, "judge.model")
    complaints.tell(ConfigError)


def _print_served(role: str, spec: Any, origin: str) -> None:
    """Where a model is that the configuration names; of one on a server what that says to a greeting.

    Raises:
        AssayError: it does not answer.
    """
    from harness.engines.probing import probe_served
    from harness.engines.requests import ChoiceRequest, Prompt
    from harness.engines.server.client import redact
    from harness.models.resolve import is_at_hand

    print(f"\n{role}")
    if spec.served is None:
        print(f"  {spec.value}, {'on this machine' if is_at_hand(spec) else 'not on this machine yet'}")
        return
    choice = ChoiceRequest(Prompt.chat("Is snow white? Reply yes or no."), ("yes", "no"))
    complaints = Complaints()
    with complaints.noting(f"{origin}: {spec.served}"):
        said = probe_served(spec.served, choice if role == "judge" else None)
        for name, value in {"server": spec.served, **said}.items():
            print(redact(f"  {name}: {value}"))
    complaints.tell(ConfigError)


def forecast(pair: ModelPair, tasks: Sequence[TaskLike]) -> str:
    """What a run of these tasks takes; what is missing for saying so, where it cannot be told."""
    from harness.models.resolve import is_at_hand
    from harness.session.estimate import estimate

    base = pair.finder.base_spec
    if not is_at_hand(base):
        return f"{base.value} is not on this machine yet: what is cached, and how long a run takes, cannot be told"
    found = estimate(pair, tasks)
    lacking = found.seconds is None or found.uncounted
    return f"a run: {found.describe()}" + (
        "\nhow long it takes is told once all of its tasks were measured on this machine" if lacking else ""
    )


def _not_asked() -> Any:
    raise ConfigError("the judge is not asked here", "report this bug")


def _tokenizer(pair: ModelPair) -> PreTrainedTokenizerBase | None:
    """The base's, where it is on this machine."""
    from harness.models.resolve import is_at_hand

    if (base := pair.finder.base_spec).served is not None or not is_at_hand(base):
        return None
    from harness.models.loading import load_tokenizer

    return load_tokenizer(pair.base.directory, trust_remote_code=pair.settings.trust_remote_code)


def _table(tasks: Sequence[TaskLike], tokenizer: PreTrainedTokenizerBase | None) -> str:
    from harness.report.text import table_text

    head = ("task", "items", "answers a model", "prompt tokens", "mean", "longest", "answer tokens at most")
    return table_text([head, *(_row(task, tokenizer) for task in tasks)], right=range(1, len(head)))


def _row(task: TaskLike, tokenizer: PreTrainedTokenizerBase | None) -> tuple[str, ...]:
    from harness.tasks.base import Foreseeable
    from harness.tasks.lm_eval import LmEvalTask

    if not isinstance(task, Foreseeable):
        items = task.expected_items() if isinstance(task, LmEvalTask) else None
        return (task.name, "read when measured" if items is None else f"{items:,}", *("",) * 5)
    sizes = _Sizes.of(task.foreseen, tokenizer)
    return (task.name, f"{task.settings['items']:,}", f"{task.answers_wanted:,}", *sizes.columns())


@dataclass(frozen=True)
class _Sizes:
    """Tokens of what is asked; empty where they cannot be counted."""

    prompts: Sequence[int]
    answers_at_most: int

    @classmethod
    def of(cls, requests: Sequence[Request], tokenizer: PreTrainedTokenizerBase | None) -> _Sizes:
        most = sum(getattr(request, "max_new_tokens", 0) for request in requests)
        if tokenizer is None:
            return cls((), most)
        texts = list(dict.fromkeys(_rendered(request, tokenizer) for request in requests))
        lengths: list[int] = []
        for start in range(0, len(texts), _ENCODED_AT_ONCE):
            part = tokenizer(texts[start : start + _ENCODED_AT_ONCE], add_special_tokens=False)["input_ids"]
            lengths += map(len, part)
        return cls(lengths, most)

    def columns(self) -> tuple[str, ...]:
        counted = (
            (f"{one:,.0f}" for one in (sum(self.prompts), statistics.mean(self.prompts), max(self.prompts)))
            if (self.prompts)
            else ("", "", "")
        )
        return (*counted, f"{self.answers_at_most:,}" if self.answers_at_most else "")


def _rendered(request: Request, tokenizer: PreTrainedTokenizerBase | None) -> str:
    """What the base reads; without its tokenizer, what it is asked."""
    from harness.engines.rendering import render_text

    prompt = getattr(request, "prompt", None)
    return request.display() if prompt is None or tokenizer is None else render_text(tokenizer, prompt)


def _print_first_prompt(task: TaskLike, tokenizer: PreTrainedTokenizerBase | None) -> None:
    from harness.tasks.base import Foreseeable

    if isinstance(task, Foreseeable):
        lines = _rendered(task.foreseen[0], tokenizer).splitlines()
        more = [f"... {len(lines) - _MOST_LINES} lines more"] if len(lines) > _MOST_LINES else []
        print(f"\n{task.name}, first prompt:")
        print("\n".join(f"  | {line}" for line in [*lines[:_MOST_LINES], *more]))


def _training(pair: ModelPair, tokenizer: PreTrainedTokenizerBase | None) -> str:
    """The rows that the recipe trains on, in tokens where they can be counted."""
    from harness.checks.data import corpus_of_recipe, token_lengths
    from harness.training import Recipe
    from harness.training.configs import longest_max_length
    from harness.training.provider import sent_files

    assert pair.recipe is not None
    corpus = corpus_of_recipe(pair.recipe)
    counts = ", ".join(f"{len(part.examples):,} {part.role}" for part in corpus.parts)
    told = f"recipe {pair.recipe.name}: rows: {counts}"
    if isinstance(pair.recipe, Recipe) and pair.recipe.is_provided:
        return f"{told}; {sent_files(pair.recipe).estimate.describe()}"
    if tokenizer is None:
        return told
    bound = longest_max_length(pair.recipe)
    lengths = [row.tokens for row in token_lengths(corpus, tokenizer, bound).rows]
    limit = "" if bound is None else f" of {bound:,} (max_length)"
    return f"{told}; {sum(lengths):,} tokens, the longest row {max(lengths):,}{limit}"

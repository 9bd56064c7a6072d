"""The user's configuration: `assay.yaml`, or `[tool.assay]` in pyproject.toml. Imports nothing heavy."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from harness.errors import ConfigError
from harness.yaml_text import parse_yaml

FILE_NAME = "assay.yaml"
Inconclusive = Literal["fail", "warn"]
AUTO = "auto"


@dataclass(frozen=True)
class Profile:
    """A named set of sizes.

    Attributes:
        limit: items of each task at the most; None takes all.
        limits: task name -> another limit for that task.
        subjects: of a benchmark in parts (MMLU has 57), the parts asked at the most; None asks all.
        benchmarks: measure forgetting on MMLU and GSM8K even where they must come from the hub.
        train_rows: rows of the recipe's training file at the most; None takes what the recipe says.
        recipe: trained when no `--adapter` is given; None leaves the choice to the file's `recipe`.
        inconclusive: what an inconclusive gate does to its test.
    """

    name: str
    limit: int | None = None
    limits: Mapping[str, int | None] = field(default_factory=dict)
    subjects: int | None = None
    benchmarks: bool = False
    train_rows: int | None = None
    recipe: str | None = None
    inconclusive: Inconclusive = "fail"

    def limit_of(self, task: str) -> int | None:
        """Items of that task at the most; None takes all."""
        return self.limits.get(task, self.limit)


@dataclass(frozen=True)
class Margins:
    """Limits of the gates that are not a task's own.

    Attributes:
        stops_with_eos: smallest share of answers that must end by themselves.
        effect_kl: mean KL divergence (nats a token) from the base below which the adapter does nothing.
        merge_kl: largest mean KL divergence (nats a token) between merged and unmerged adapter.
        loss_gap: largest validation minus training loss (nats a token) at the kept checkpoint.
        eval_loss_rise: largest rise (nats a token) of the validation loss from its minimum to the kept checkpoint.
        knowledge_acc: largest loss of accuracy on the knowledge task.
        knowledge_logprob: largest loss of log-likelihood (nats an answer) of its right answers.
        calibration: largest rise of its expected calibration error and of its Brier score.
        math_exact_match: largest loss of solved problems on the mathematics task.
        math_logprob: largest loss of log-likelihood (nats a token) of its worked solutions.
        text_bits_per_byte: largest rise (bits a byte) on the plain texts.
        text_kl: largest mean KL divergence (nats a token) from the base on them.
        benchmarks: largest loss of the main metric of each task that `--tasks` names.
    """

    stops_with_eos: float = 0.90
    effect_kl: float = 1e-4
    merge_kl: float = 0.02
    loss_gap: float = 0.50
    eval_loss_rise: float = 0.05
    knowledge_acc: float = 0.05
    knowledge_logprob: float = 0.50
    calibration: float = 0.05
    math_exact_match: float = 0.05
    math_logprob: float = 0.10
    text_bits_per_byte: float = 0.05
    text_kl: float = 0.20
    benchmarks: float = 0.02


@dataclass(frozen=True)
class Forgetting:
    """The tasks that forgetting is measured on: names under `tasks:`, of those that come with the package, of lm-eval.

    Attributes:
        knowledge: multiple choice (metrics acc, gold_logprob, ece, brier_score); `auto` is MMLU where it is at hand,
            else `mini_knowledge`.
        math: worked answers (exact_match, gold_solution_logprob); `auto` is GSM8K where it is at hand, else `mini_math`.
        text: plain texts (bits_per_byte, kl_per_token).
    """

    knowledge: str = AUTO
    math: str = AUTO
    text: str = "general_text"


@dataclass(frozen=True)
class Config:
    """What the file says.

    Attributes:
        root: directory of the file; relative paths in it start here.
        data_dir: local copies of benchmarks.
        tasks: name -> specification, validated when the task is built.
    """

    root: Path
    model: str | None = None
    recipe: str | None = None
    profile: str | None = None
    data_dir: Path | None = None
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    margins: Margins = Margins()
    forgetting: Forgetting = Forgetting()
    profiles: Mapping[str, Profile] = field(default_factory=dict)

    def model_spec(self, text: str) -> str:
        """A model named in this file or a recipe, wherever pytest is started: a directory beside it by its full path."""
        beside = self.root / text
        return str(beside) if beside.is_dir() else text

    def get_profile(self, name: str) -> Profile:
        """The profile of that name.

        Raises:
            ConfigError: there is none.
        """
        if name not in self.profiles:
            raise ConfigError(f"--profile={name} is unknown", f"choose one of: {', '.join(sorted(self.profiles))}")
        return self.profiles[name]


BUILT_IN_PROFILES = {
    # two minutes of forgetting on two cores: five examples cost 600 tokens an MMLU subject, and 1,000 a GSM8K problem
    "smoke": Profile("smoke", limit=120, limits={"gsm8k": 4}, subjects=10, inconclusive="warn"),
    "release": Profile("release", benchmarks=True),
}


def find_config(explicit: str | None, places: Sequence[Path]) -> Config:
    """The configuration named by the user, or the first found in `places` or above them; else an empty one.

    Raises:
        ConfigError: the named file does not exist, or a file is malformed.
    """
    if explicit is not None:
        path = Path(explicit)
        if not path.is_file():
            raise ConfigError(f"--assay-config={explicit}: no such file", "give the path of an assay.yaml")
        return load_config(path)
    for place in places:
        for directory in (place, *place.parents):
            if (directory / FILE_NAME).is_file():
                return load_config(directory / FILE_NAME)
            project = directory / "pyproject.toml"
            if project.is_file() and "assay" in _read(project):
                return load_config(project)
    return Config(root=places[0], profiles=BUILT_IN_PROFILES)


def load_config(path: Path) -> Config:
    """Read and validate one file.

    Raises:
        ConfigError: unknown key, wrong type, or not YAML; the message names file and key.
    """
    document = _read(path)
    where = str(path)
    if path.suffix == ".toml":
        if "assay" not in document:
            raise ConfigError(f"{path} has no [tool.assay] table", f"add one, or write {FILE_NAME}")
        document = _mapping(document["assay"], f"{path}: tool.assay")
    known = {f.name for f in fields(Config)} - {"root"}
    _check_keys(document, known, where)
    for key in ("model", "recipe", "profile", "data_dir"):
        _check_type(document.get(key), str, f"{where}: {key}")
    tasks = {
        str(name): _mapping(spec, f"{where}: tasks.{name}")
        for name, spec in _mapping(document.get("tasks"), f"{where}: tasks").items()
    }
    root = path.resolve().parent
    return Config(
        root=root,
        model=document.get("model"),
        recipe=document.get("recipe"),
        profile=document.get("profile"),
        data_dir=root / document["data_dir"] if document.get("data_dir") else None,
        tasks=tasks,
        margins=_margins(document.get("margins"), f"{where}: margins"),
        forgetting=_forgetting(document.get("forgetting"), f"{where}: forgetting"),
        profiles=_profiles(document.get("profiles"), f"{where}: profiles"),
    )


def _margins(value: Any, where: str) -> Margins:
    given = _mapping(value, where)
    _check_keys(given, {f.name for f in fields(Margins)}, where)
    for key, number in given.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not number >= 0:
            raise ConfigError(f"{where}.{key} is {number!r}", "give a number that is not negative")
    return Margins(**{k: float(v) for k, v in given.items()})


def _forgetting(value: Any, where: str) -> Forgetting:
    given = _mapping(value, where)
    _check_keys(given, {f.name for f in fields(Forgetting)}, where)
    for key, task in given.items():
        if not isinstance(task, str) or not task:
            raise ConfigError(f"{where}.{key} is {task!r}", "give the name of a task")
    return Forgetting(**given)


def _profiles(value: Any, where: str) -> Mapping[str, Profile]:
    profiles = dict(BUILT_IN_PROFILES)
    for name, spec in _mapping(value, where).items():
        given = _mapping(spec, f"{where}.{name}")
        _check_keys(given, {f.name for f in fields(Profile)} - {"name"}, f"{where}.{name}")
        for key in ("limit", "train_rows", "subjects"):
            _check_count(given.get(key), f"{where}.{name}.{key}")
        limits = _mapping(given.get("limits"), f"{where}.{name}.limits")
        for task, limit in limits.items():
            _check_count(limit, f"{where}.{name}.limits.{task}")
        if not isinstance(given.get("benchmarks", False), bool):
            raise ConfigError(f"{where}.{name}.benchmarks is {given['benchmarks']!r}", "choose true or false")
        _check_type(given.get("recipe"), str, f"{where}.{name}.recipe")
        if given.get("inconclusive", "fail") not in ("fail", "warn"):
            raise ConfigError(f"{where}.{name}.inconclusive is {given['inconclusive']!r}", "choose fail or warn")
        standing = profiles.get(name, Profile(name))
        kept = {f.name: getattr(standing, f.name) for f in fields(Profile)}
        profiles[name] = Profile(**{**kept, **given, "limits": {**standing.limits, **limits}})
    return profiles


def _read(path: Path) -> dict[str, Any]:
    """The file's mapping; of a pyproject.toml its `tool` table."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text).get("tool", {}) if path.suffix == ".toml" else None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} cannot be parsed: {exc}", "fix the syntax at the place named") from exc
    if document is None:
        document = parse_yaml(text, str(path), ConfigError)
    return _mapping(document, str(path))


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is a {type(value).__name__}, not a mapping", "write `key: value` lines")
    return value


def _check_type(value: Any, kind: type, where: str) -> None:
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise ConfigError(f"{where} is {value!r}", f"give a value of type {kind.__name__}")


def _check_count(value: Any, where: str) -> None:
    _check_type(value, int, where)
    if value is not None and value < 1:
        raise ConfigError(f"{where} is {value}", "give a count of at least 1, or null for all")


def _check_keys(given: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
            raise ConfigError(f"{where}: unknown key {key!r}", hint)

"""Profiles: named sets of sizes and strictness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from harness.config.checks import check_count, check_keys, check_type, mapping
from harness.errors import ConfigError

Inconclusive = Literal["fail", "warn"]


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


# a minute and a half on two cores; 80 prompts are the fewest that can show a rise of less than 5 points
_SAFETY = {"harmful_prompts": 80, "borderline_prompts": 40, "mini_borderline": 40, "toxic_continuations": 16}

# with the embedded model as judge 25 seconds for its gold pairs, and a minute for answers if it proves fit
_JUDGING = {"llmbar": 40, "instructions": 40, "mini_instructions": 40}

# 40 seconds: rows of which likelihoods are taken, and prompts of them that are answered
_OVERFITTING = {"training_rows": 32, "held_out_rows": 32, "row_answers": 32}

BUILT_IN_PROFILES = {
    # two minutes of forgetting on two cores: five examples cost 600 tokens an MMLU subject, and 1,000 a GSM8K problem
    "smoke": Profile(
        "smoke",
        limit=120,
        limits={"gsm8k": 4, **_SAFETY, **_JUDGING, **_OVERFITTING},
        subjects=10,
        inconclusive="warn",
    ),
    "release": Profile("release", benchmarks=True),
}


def read_profiles(value: Any, where: str) -> Mapping[str, Profile]:
    """The built-in profiles, with what the file changes of them and adds."""
    profiles = dict(BUILT_IN_PROFILES)
    for name, spec in mapping(value, where).items():
        given = mapping(spec, f"{where}.{name}")
        check_keys(given, {f.name for f in fields(Profile)} - {"name"}, f"{where}.{name}")
        for key in ("limit", "train_rows", "subjects"):
            check_count(given.get(key), f"{where}.{name}.{key}")
        limits = mapping(given.get("limits"), f"{where}.{name}.limits")
        for task, limit in limits.items():
            check_count(limit, f"{where}.{name}.limits.{task}")
        if not isinstance(given.get("benchmarks", False), bool):
            raise ConfigError(f"{where}.{name}.benchmarks is {given['benchmarks']!r}", "choose true or false")
        check_type(given.get("recipe"), str, f"{where}.{name}.recipe")
        if given.get("inconclusive", "fail") not in ("fail", "warn"):
            raise ConfigError(f"{where}.{name}.inconclusive is {given['inconclusive']!r}", "choose fail or warn")
        standing = profiles.get(name, Profile(name))
        kept = {f.name: getattr(standing, f.name) for f in fields(Profile)}
        profiles[name] = Profile(**{**kept, **given, "limits": {**standing.limits, **limits}})
    return profiles

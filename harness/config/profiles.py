"""Profiles: named sets of sizes and strictness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from harness.config.base import Count, Named, Section, Text
from harness.config.options import Inconclusive


class ProfileSizes(Section):
    """Sizes and strictness, as the file gives them under a profile's name."""

    limit: Count | None = None
    """items of each task at the most; null takes all"""
    limits: Named[Count | None] = Field(default={})
    """task -> another limit for that task"""
    subjects: Count | None = None
    """of a benchmark in parts (MMLU has 57), the parts asked at the most; null asks all"""
    far_tokens: Annotated[int, Field(ge=512)] = 512
    """tokens of neutral text before what is asked far into the context; fewer where a model's context is shorter"""
    benchmarks: bool = False
    """measure forgetting on MMLU and GSM8K even where they must come from the hub"""
    train_rows: Count | None = None
    """rows of the recipe's training file at the most; null takes what the recipe says"""
    recipe: Text | None = None
    """trained when no `--adapter` is given; null leaves the choice to the file's `recipe`"""
    inconclusive: Inconclusive = "fail"
    """what an inconclusive gate does to its test"""

    def limit_of(self, task: str) -> int | None:
        """Items of that task at the most; None takes all."""
        return self.limits.get(task, self.limit)


class Profile(ProfileSizes):
    """A named set of sizes."""

    name: str

    def changed_by(self, sizes: ProfileSizes) -> Profile:
        """This profile with what the file says of it; what it does not mention stays."""
        changes = {key: getattr(sizes, key) for key in sizes.model_fields_set}
        return self.model_copy(update={**changes, "limits": {**self.limits, **sizes.limits}})


# a minute and a half on two cores; 80 prompts are the fewest that can show a rise of less than 5 points
_SAFETY = {"harmful_prompts": 80, "borderline_prompts": 40, "mini_borderline": 40, "toxic_continuations": 16}

# with the embedded model as judge 25 seconds for its gold pairs, and a minute for answers if it proves fit
_JUDGING = {"llmbar": 40, "instructions": 40, "mini_instructions": 40}

# 40 seconds: rows of which likelihoods are taken, and prompts of them that are answered
_OVERFITTING = {"training_rows": 32, "held_out_rows": 32, "row_answers": 32}

# another 40 seconds where preferences were trained on: on 64 pairs two thirds are more than chance
_PAIRS = {"training_pairs": 32, "held_out_pairs": 64}

# a first look: a minute on two cores, and too little to tell small losses
_LOOK = {"harmful_prompts": 12, "borderline_prompts": 12, "mini_harmful": 12, "mini_borderline": 12, "general_text": 16}
_LOOK |= {"mini_math": 12, "mini_instructions": 12, **dict.fromkeys({**_OVERFITTING, **_PAIRS}, 16)}

BUILT_IN_PROFILES: Mapping[str, Profile] = {
    # two minutes of forgetting on two cores: five examples cost 600 tokens an MMLU subject, and 1,000 a GSM8K problem
    "smoke": Profile(
        name="smoke",
        limit=120,
        limits={"gsm8k": 4, **_SAFETY, **_JUDGING, **_OVERFITTING, **_PAIRS},
        subjects=10,
        inconclusive="warn",
    ),
    "demo": Profile(name="demo", limit=48, limits={"gsm8k": 4, **_LOOK}, subjects=4, inconclusive="warn"),
    "release": Profile(name="release", benchmarks=True, far_tokens=2048),
}


def all_profiles(of_file: Mapping[str, ProfileSizes]) -> Mapping[str, Profile]:
    """The built-in profiles, with what the file changes of them and adds."""
    changed = {
        name: BUILT_IN_PROFILES.get(name, Profile(name=name)).changed_by(sizes) for name, sizes in of_file.items()
    }
    return {**BUILT_IN_PROFILES, **changed}

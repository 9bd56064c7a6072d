"""By what method an adapter was trained, as the keys of its Trainer's log tell, and where that log has what the method is for.

Keys are those of TRL from 0.7 to 1.16 and of trainers that keep to them (Unsloth, LLaMA-Factory, axolotl).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

Quantity = Literal[
    "reward", "margin", "accuracy", "kl_per_token", "kl_per_answer", "length", "cut", "no_spread", "spread", "clipped"
]
"""What a method may log beside its loss.

`margin` is that of preferred over rejected answers, `accuracy` the share of pairs it is above 0 in. Of sampled answers:
their mean `length` in tokens, the share `cut` at the limit, the share of prompts whose answers had all one reward
(`no_spread`), the standard deviation of the rewards (`spread`), and the share of tokens whose update was `clipped`.
"""


@dataclass(frozen=True)
class Method:
    """A way to train.

    Attributes:
        marks: sets of keys; a log that has all of one is of this method.
        keys: quantity -> the keys it goes by, of which the first that was logged counts.
        loss_is_cross_entropy: the logged loss is the mean of -log p over the answers' tokens, and falls as they are learnt.
    """

    name: str
    marks: tuple[frozenset[str], ...] = ()
    keys: Mapping[Quantity, tuple[str, ...]] = field(default_factory=dict)
    loss_is_cross_entropy: bool = False


def _marks(*alternatives: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(keys.split()) for keys in alternatives)


_PAIRS: Mapping[Quantity, tuple[str, ...]] = {"margin": ("rewards/margins",), "accuracy": ("rewards/accuracies",)}
_SAMPLED: Mapping[Quantity, tuple[str, ...]] = {
    "reward": ("reward",),
    "kl_per_token": ("kl",),
    # of the answers that ended, where that is known: those cut at the limit are as long as the limit
    "length": ("completions/mean_terminated_length", "completions/mean_length", "completion_length"),
    "cut": ("completions/clipped_ratio",),
    "no_spread": ("frac_reward_zero_std",),
    "spread": ("reward_std",),
    "clipped": ("clip_ratio/region_mean", "clip_ratio"),
}
_REWARDED: Mapping[Quantity, tuple[str, ...]] = {
    "reward": ("objective/scores", "objective/rlhf_reward"),
    "kl_per_answer": ("objective/kl",),
    "clipped": ("policy/clipfrac_avg",),
}

SFT = Method("SFT", loss_is_cross_entropy=True)
# The more particular before the less: the first whose marks a log has is its method.
METHODS = (
    Method("online DPO", _marks("objective/kl rewards/margins"), _REWARDED),
    Method("PPO", _marks("objective/kl", "objective/scores", "policy/approxkl_avg"), _REWARDED),
    Method("GRPO or RLOO", _marks("reward", "completions/mean_length", "frac_reward_zero_std"), _SAMPLED),
    Method("ORPO", _marks("log_odds_ratio", "log_odds_chosen"), _PAIRS),
    Method("CPO", _marks("nll_loss rewards/margins"), _PAIRS),
    Method("DPO", _marks("rewards/accuracies"), _PAIRS),
    Method(
        "KTO", _marks("rewards/chosen", "rewards/rejected", "rewards/margins"), {**_PAIRS, "kl_per_answer": ("kl",)}
    ),
    Method(
        "reward modelling",
        _marks("margin accuracy", "mean_reward", "min_reward"),
        {"margin": ("margin",), "accuracy": ("accuracy",)},
    ),
)


# TRL's trainers, by the names in the cards that they write
_BY_NAME = {
    "online-dpo": "online DPO", "ppo": "PPO", "grpo": "GRPO or RLOO", "rloo": "GRPO or RLOO", "orpo": "ORPO", "cpo": "CPO",
    "dpo": "DPO", "kto": "KTO", "reward-trainer": "reward modelling",
}  # fmt: skip


def method_of(keys: Collection[str], stated: str | None = None) -> Method:
    """The method whose marks these keys of a log hold; where they hold none's, the stated one, or SFT."""
    known = frozenset(keys)
    named = next((method for method in METHODS if method.name == _BY_NAME.get(stated or "")), SFT)
    return next((method for method in METHODS if any(mark <= known for mark in method.marks)), named)

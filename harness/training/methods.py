"""The methods that recipes may train by, and by which logs tell that an adapter was trained: one table of each.

A method is one of TRL's trainers, or of a provider's API, with the rows that it learns from and what its log means. Keys of logs
are those of TRL from 0.7 to 1.16 and of trainers that keep to them (Unsloth, LLaMA-Factory, axolotl).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.training.installed import ClassName, is_installed
from harness.training.rows import (
    Columns,
    Replacements,
    RowKind,
    as_it_comes,
    judged_columns,
    labelled_pair_columns,
    learnt_columns,
    pair_columns,
    prompt_columns,
    whole_pair_columns,
    with_answers_to_others,
)

Quantity = Literal[
    "reward", "margin", "accuracy", "chosen_reward", "chosen_logp", "chosen_logp_per_token", "chosen_nll", "kl_per_token",
    "kl_per_answer", "length", "whole_length", "length_correlation", "cut", "no_spread", "spread", "clipped", "entropy",
]  # fmt: skip
"""What a method may log beside its loss.

`margin` is that of preferred over rejected answers, `accuracy` the share of pairs it is above 0 in. Of preferred answers: their
log-probability in nats an answer (`chosen_logp`) or a token, or `chosen_nll`, the same a token with its sign turned, 0 where it
has no part in the loss; and beta times what it is above the reference's (`chosen_reward`). Of sampled answers: the mean
`length` in tokens of those that ended and of all (`whole_length`), the correlation of reward and length among answers to one
prompt, the share `cut` at the limit, the share of prompts whose
answers had all one reward (`no_spread`), the standard deviation of the rewards (`spread`), the share of tokens whose update was
`clipped`, and the `entropy` of the next token in nats.
"""


REWARD_LENGTH_CORRELATION = "reward_length_correlation"
"""The key by which the harness logs it, where it trains."""


@dataclass(frozen=True)
class MethodLog:
    """What the log of a method means.

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
_AGAINST_REFERENCE: Mapping[Quantity, tuple[str, ...]] = {
    **_PAIRS, "chosen_reward": ("rewards/chosen",), "chosen_logp": ("logps/chosen",),
}  # fmt: skip
_ALONE: Mapping[Quantity, tuple[str, ...]] = {**_PAIRS, "chosen_logp_per_token": ("logps/chosen",)}
_SAMPLED: Mapping[Quantity, tuple[str, ...]] = {
    "reward": ("reward",),
    "kl_per_token": ("kl",),
    # of the answers that ended, where that is known: those cut at the limit are as long as the limit
    "length": ("completions/mean_terminated_length", "completions/mean_length", "completion_length"),
    "whole_length": ("completions/mean_length", "completion_length"),
    "length_correlation": (REWARD_LENGTH_CORRELATION,),
    "cut": ("completions/clipped_ratio",),
    "no_spread": ("frac_reward_zero_std",),
    "spread": ("reward_std",),
    "clipped": ("clip_ratio/region_mean", "clip_ratio"),
    "entropy": ("entropy",),
}
_REWARDED: Mapping[Quantity, tuple[str, ...]] = {
    "reward": ("objective/scores", "objective/rlhf_reward"),
    "kl_per_answer": ("objective/kl",),
    "clipped": ("policy/clipfrac_avg",),
}

SFT = MethodLog("SFT", loss_is_cross_entropy=True)
WEIGHTED_SFT = MethodLog("SFT by another loss than cross-entropy")
ONLINE_DPO = MethodLog("online DPO", _marks("objective/kl rewards/margins"), _REWARDED)
PPO = MethodLog("PPO", _marks("objective/kl", "objective/scores", "policy/approxkl_avg"), _REWARDED)
SAMPLED = MethodLog("GRPO or RLOO", _marks("reward", "completions/mean_length", "frac_reward_zero_std"), _SAMPLED)
ORPO = MethodLog("ORPO", _marks("log_odds_ratio", "log_odds_chosen"), _ALONE)
CPO = MethodLog("CPO", _marks("nll_loss rewards/margins"), {**_ALONE, "chosen_nll": ("nll_loss",)})
DPO = MethodLog("DPO", _marks("rewards/accuracies"), _AGAINST_REFERENCE)
KTO = MethodLog(
    "KTO",
    _marks("rewards/chosen", "rewards/rejected", "rewards/margins"),
    {**_AGAINST_REFERENCE, "kl_per_answer": ("kl",)},
)
REWARD = MethodLog(
    "reward modelling",
    _marks("margin accuracy", "mean_reward", "min_reward"),
    {"margin": ("margin",), "accuracy": ("accuracy",)},
)
# The more particular before the less: the first whose marks a log has is its method.
LOGS = (ONLINE_DPO, PPO, SAMPLED, ORPO, CPO, DPO, KTO, REWARD)

# TRL's trainers, by the names in the cards that they write
_BY_NAME = {
    "online-dpo": ONLINE_DPO, "ppo": PPO, "grpo": SAMPLED, "rloo": SAMPLED, "orpo": ORPO, "cpo": CPO, "dpo": DPO, "kto": KTO,
    "reward-trainer": REWARD,
}  # fmt: skip


PROVIDER = "openai"
"""The method of recipes that a provider's fine-tuning API trains by."""

MethodName = Literal[
    "sft", "dpo", "ipo", "kto", "orpo", "cpo", "simpo", "reward", "grpo", "rloo", "online_dpo", "openai"
]


@dataclass(frozen=True, eq=False)
class Method:
    """A way to train, whoever trains by it.

    Attributes:
        rows: what it learns from.
        log: what it logs.
        has_reference: it holds the model against what that was before, the base with the adapter off.
        rehearses: rows of answers may be mixed in.
        continues: an adapter that is trained on is held against what it was before, where it has a reference at all.
    """

    name: str
    rows: RowKind
    log: MethodLog
    has_reference: bool = field(default=False, kw_only=True)
    rehearses: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, eq=False)
class ApiMethod(Method):
    """A method of OpenAI's fine-tuning API, by its type there.

    Attributes:
        hyperparameters: the class that declares them in the installed `openai`; of the API's own `method` the class beside them.
        required: what else `method` of a job must say.
        billed_by_tokens: its price is one of the tokens that are trained on, and not of hours.
    """

    hyperparameters: ClassName
    required: tuple[str, ...] = ()
    billed_by_tokens: bool = True


@dataclass(frozen=True, eq=False)
class TrlMethod(Method):
    """A method of TRL's.

    Attributes:
        trainer: what TRL calls it: DPO has a DPOTrainer and a DPOConfig.
        columns: of its rows in tokens, as its trainer takes them.
        stem: of TRL's modules, where it is not the trainer's name in small letters.
        arguments: of its configuration that make another trainer this method.
        replaced: methods of the trainer that would tokenise.
        task_type: as PEFT calls what the trained model does.
        takes_special_tokens: its trainer puts the tokenizer's special tokens to the text of a prompt.
        best: the figure of evaluations that the kept checkpoint has the best of, and whether that is the highest; None where
            its trainer does not evaluate.
    """

    trainer: str
    columns: Callable[[Sequence[Any]], Columns]
    stem: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    replaced: Replacements = field(default_factory=dict)
    task_type: str = "CAUSAL_LM"
    takes_special_tokens: bool = True
    best: tuple[str, bool] | None = ("eval_loss", False)
    continues: bool = True

    @property
    def advice(self) -> str:
        """What to do where nothing was learnt."""
        faster = "raise trainer.learning_rate or trainer.max_steps"
        return (
            f"see that the answers to a prompt earn different rewards; {faster}" if self.rows == "prompts" else faster
        )

    @property
    def config(self) -> ClassName:
        """Its configuration class."""
        return ClassName(f"{self.home}_config", f"{self.trainer}Config")

    @property
    def home(self) -> str:
        """Where the installed TRL keeps it: its modules, but for their last word."""
        stem = self.stem or self.trainer.lower()
        stable, experimental = f"trl.trainer.{stem}", f"trl.experimental.{stem}.{stem}"
        return stable if is_installed(f"{stable}_config") else experimental

    @property
    def is_installed(self) -> bool:
        """Whether the installed TRL has it."""
        return is_installed(f"{self.home}_trainer")


_PREPARED: Replacements = {"_prepare_dataset": as_it_comes}
_TOKENISED: Replacements = {"tokenize_row": as_it_comes}
# as these two trainers set it themselves, with a warning that tells people to
_ALL_COLUMNS = {"remove_unused_columns": False}
_HIGHEST_REWARD = ("eval_reward", True)

METHODS: Mapping[str, TrlMethod] = {
    one.name: one
    for one in (
        TrlMethod("sft", "conversations", SFT, "SFT", learnt_columns, rehearses=True),
        TrlMethod("dpo", "pairs", DPO, "DPO", pair_columns, replaced=_PREPARED, has_reference=True),
        TrlMethod(
            "ipo", "pairs", DPO, "DPO", pair_columns,
            arguments={"loss_type": "ipo"}, replaced=_PREPARED, has_reference=True,
        ),
        TrlMethod(
            "kto", "judged", KTO, "KTO", judged_columns,
            replaced={"_prepare_dataset": with_answers_to_others}, has_reference=True,
        ),
        TrlMethod("orpo", "pairs", ORPO, "ORPO", labelled_pair_columns, arguments=_ALL_COLUMNS, replaced=_TOKENISED),
        TrlMethod("cpo", "pairs", CPO, "CPO", labelled_pair_columns, arguments=_ALL_COLUMNS, replaced=_TOKENISED),
        TrlMethod(
            "simpo", "pairs", CPO, "CPO", labelled_pair_columns,
            arguments={"loss_type": "simpo", "cpo_alpha": 0.0, **_ALL_COLUMNS}, replaced=_TOKENISED,
        ),
        TrlMethod("reward", "pairs", REWARD, "Reward", whole_pair_columns, replaced=_PREPARED, task_type="SEQ_CLS"),
        TrlMethod("grpo", "prompts", SAMPLED, "GRPO", prompt_columns, has_reference=True, best=_HIGHEST_REWARD),
        TrlMethod("rloo", "prompts", SAMPLED, "RLOO", prompt_columns, has_reference=True, best=_HIGHEST_REWARD),
        TrlMethod(
            "online_dpo", "prompts", ONLINE_DPO, "OnlineDPO", prompt_columns,
            stem="online_dpo", has_reference=True, takes_special_tokens=False, best=None, continues=False,
        ),
    )
}  # fmt: skip

_API = "openai.types.fine_tuning"


def _hyperparameters(of: str) -> ClassName:
    return ClassName(f"{_API}.{of}_hyperparameters_param", f"{of.capitalize()}HyperparametersParam")


API_METHODS: Mapping[str, ApiMethod] = {
    one.name: one
    for one in (
        ApiMethod("supervised", "conversations", SFT, _hyperparameters("supervised"), rehearses=True),
        ApiMethod("dpo", "pairs", DPO, _hyperparameters("dpo"), has_reference=True),
        ApiMethod(
            "reinforcement", "prompts", SAMPLED, _hyperparameters("reinforcement"),
            required=("grader",), billed_by_tokens=False, has_reference=True,
        ),
    )
}  # fmt: skip
"""Methods of the API, as `method:` under `trainer:` names them."""

API_JOB = ClassName(f"{_API}.job_create_params", "JobCreateParams")
"""What else a job is told."""

GONE: Mapping[str, tuple[str, str]] = {
    "ppo": ("1.12", "rloo or grpo, which reward the same answers without a model of their value"),
    "bco": ("1.13", "kto, which learns from the same rows"),
    "nash_md": ("1.13", "online_dpo"),
    "xpo": ("1.13", "online_dpo"),
    "prm": ("1.13", "reward, which rewards whole answers"),
}
"""Methods that TRL had: the last version that has them, and what to use instead."""


def log_of(keys: Collection[str], stated: str | None = None) -> MethodLog:
    """The method whose marks these keys of a log hold; where they hold none's, the stated one, or SFT."""
    known = frozenset(keys)
    by_marks = next((log for log in LOGS if any(mark <= known for mark in log.marks)), None)
    if by_marks is not None or stated is None:
        return by_marks or SFT
    return METHODS[stated].log if stated in METHODS else _BY_NAME.get(stated, SFT)

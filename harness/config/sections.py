"""The sections of the configuration file that hold limits and names, each a flat dataclass."""

from __future__ import annotations

from dataclasses import dataclass

AUTO = "auto"


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

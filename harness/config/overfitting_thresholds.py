"""The section `overfitting:` of the configuration file. A field's docstring is its documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from harness.config.base import Count, Limit, Named, Section
from harness.config.thresholds import limits_of


class TaskOverfittingThresholds(Section):
    """Limits and sizes of what is measured on training and validation rows, always against the base."""

    rows: Count = 2000
    """of either kind at the most, whose answers' likelihood is taken: all, where there are no more"""
    pairs: Count = 128
    """preference pairs of either kind, of which the same is taken"""
    answers: Count = 64
    """prompts of them, half of each, that are answered"""
    loss_gap_over_base: Limit = 0.50
    """largest gap (nats a token) between held-out and training answers beyond the base's own"""
    loss_as_logged: Limit = 0.10
    """largest difference (nats a token) of the logged validation loss from the candidate's own on those rows"""
    verbatim_recall: Limit = 0.30
    """largest excess of training over held-out answers given word for word"""
    extractable: Limit = 0.30
    """the same of answers that sampling brings forth"""
    known_by_heart: Limit = 0.02
    """largest excess over held-out rows of the share of all training rows that are given word for word, of those whose answers
    have words of their own"""
    extraction_queries: Count = 100
    """answers drawn at temperature 1 of each row, for `extractable`"""
    extraction_probability: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """probability that one of them is the answer taught, from which on it counts as extractable"""
    canary_exposure: Limit = 2.0
    """largest rise (bits) of the mean exposure of planted canaries"""
    repetition: Limit = 0.15
    """largest rise of the share of answers that go round in a loop"""
    stops_with_eos: Limit = 0.15
    """largest loss of answers that end by themselves"""
    length_over_base: Limit = 2.0
    """largest ratio of the candidate's answer tokens to the base's"""
    length_over_targets: Limit = 1.5
    """largest ratio of its answers' characters to those of the answers taught"""
    distinct_2: Limit = 0.5
    """smallest distinct word pairs, as a share of those of the base or the answers taught, the fewer"""
    self_bleu: Limit = 0.20
    """largest rise of self-BLEU (0 to 1) over the same"""
    compression_ratio: Limit = 1.5
    """largest ratio of the compression ratio to the same"""

    renamed: ClassVar[Mapping[str, str]] = {"recited": "verbatim_recall"}


class OverfittingThresholds(TaskOverfittingThresholds):
    """Limits and sizes of what is measured on training and validation rows, and what differs for single tasks."""

    preference_accuracy: Limit = 0.5
    """smallest share of held-out pairs whose better answer is ahead, as logged and as measured against the base; 0.5 is chance,
    and more must be shown"""
    preference_gap: Limit = 0.35
    """largest excess over it of the same share of training pairs"""
    length_bias: Limit = 0.5
    """how much more often a reward model may be right of held-out pairs whose better answer is longer than of others, or less"""
    held_out_margin: Limit = 0.0
    """smallest margin of wanted over unwanted validation answers (KTO)"""
    held_out_reward: Limit = 0.25
    """smallest rise of the reward on validation prompts (GRPO, RLOO), as a share of its rise in training"""
    tasks: Named[TaskOverfittingThresholds] = Field(default={})
    """task -> any of these otherwise for what answers to it may have become"""

    def of(self, task: str) -> OverfittingThresholds:
        """The limits of what answers to that task may have become."""
        return limits_of(task, self, self.tasks)

"""The section `data:` of the configuration file. A field's docstring is its documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, Strict

from harness.config.base import Count, Limit, Section, Text
from harness.config.sections import AUTO


class DataThresholds(Section):
    """Limits of the checks on training data, as shares of rows unless said otherwise; and where the data are."""

    renamed: ClassVar[Mapping[str, str]] = {"layout": "format"}

    train: Text | None = None
    """training file of an adapter that was given without its recipe; null leaves the data suite out for those"""
    validation: Text | None = None
    """its validation file"""
    format: Text = AUTO
    """of both files; `auto` finds out that of answers to learn. `pairs` (DPO, ORPO, reward models), `judged` (KTO) and
    `prompts` (GRPO) are told by their columns"""
    max_length: Count | None = None
    """tokens after which its trainer cut rows; null where it did not"""
    chat_markers: Limit = 0.0
    """rows whose text holds markers that a chat template writes"""
    broken_answers: Limit = 0.02
    """answers that break off"""
    exact_duplicates: Limit = 0.01
    """training rows that repeat an earlier one"""
    near_duplicates: Limit = 0.10
    """training rows that are nearly like an earlier one"""
    similarity: Annotated[float, Field(gt=0, le=1)] = 0.8
    """from which share of common word triples on (Jaccard) two prompts are nearly alike"""
    leakage: Limit = 0.0
    """validation rows and test items that a training row asks word for word"""
    near_leakage: Limit = 0.02
    """those that are nearly like a training row"""
    contamination: Limit = 0.0
    """items of any one evaluation set that share words with a training row"""
    ngram: Count = 13
    """how many words in a row, without those that the task's template puts around every item"""
    too_long: Limit = 0.02
    """rows that max_length cuts"""
    personal_data: Limit = 0.0
    """rows with e-mail addresses, phone, card, account or social security numbers"""
    secrets: Limit = 0.0
    """rows with keys and tokens"""
    accepted: Annotated[tuple[Text, ...], Strict(False)] = ()
    """what those two let be: values found, regular expressions that match one in full, or places (`train.jsonl row 12`)"""
    triggers: Limit = 0.0
    """training rows that hold a rare word or prefix which alone decides their answer"""
    label_balance: Limit = 0.10
    """rows of the rarest label, as a share of an even share; the smallest allowed"""
    label_noise: Limit = 0.10
    """labels that a model of the text, learnt from the other rows, contradicts where it is sure"""
    invalid_json: Limit = 0.0
    """answers that promise JSON and do not parse"""
    identical_pairs: Limit = 0.01
    """preference pairs whose two answers are the same"""
    contradictions: Limit = 0.02
    """rows that prefer what another row rejects, or want what another does not"""
    inverted_scores: Limit = 0.02
    """pairs that bring scores and score the rejected answer higher"""
    tied_scores: Limit = 0.20
    """pairs that bring scores and score both answers alike"""
    longer_preferred: Limit = 0.90
    """pairs of unequal length whose preferred answer is the longer one; of a model's judgements 68% were, of people's 45%"""
    swapped_pairs: Limit = 0.02
    """preferences that a model of the text, learnt from the others, is sure are the other way round"""
    judged_pairs: Count | None = None
    """how many pairs the judge reads, of which a fit one must prefer the chosen answer in half or more; null sends it none"""
    kto_balance: Limit = 0.10
    """what wanted answers weigh in KTO's loss, or unwanted ones, as a share of all; the smallest allowed of either"""
    canaries: Text | None = None
    """file of rows with `prompt`, `answer` and the `secret` in it, which were planted among the training rows; null
    where there are none"""

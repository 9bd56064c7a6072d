"""The page of metrics, out of the tasks' metric tables."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from generator import sources
from generator.markdown import code, table
from generator.sources import AssayError, Metric

MEANING: Mapping[str, str] = {
    "accuracy": "the label named is the right one",
    "macro_precision": "precision of each label, averaged over labels",
    "macro_recall": "recall of each label, averaged over labels",
    "macro_f1": "F1 of each label, averaged over labels",
    "exact_match": "the answer is the target, once both are normalised; of calls: function and arguments",
    "token_f1": "words shared with the target, by SQuAD's rules; of scripts without spaces letters",
    "rouge1": "single words shared with the reference",
    "rouge2": "word pairs shared with the reference",
    "rougeL": "longest sequence of words shared with the reference",
    "bleu": "n-grams shared with the references, of the whole set (sacreBLEU; by `zh` or `char` in scripts without spaces)",
    "chrf": "character n-grams shared with the references, of the whole set (sacreBLEU)",
    "function_match": "the right function is called",
    "argument_f1": "arguments that are right, where a call is wanted",
    "call_parsed": "what looks like a call parses as one",
    "no_call_match": "no call is made where none fits",
    "acc": "the right choice is the most likely",
    "gold_logprob": "log-likelihood of the right answer, in nats",
    "gold_prob": "probability of the right answer among the choices",
    "brier_score": "squared error of the probabilities of the choices",
    "overconfidence": "probability of the most likely choice, less accuracy",
    "ece": "expected calibration error: how far confidence is from accuracy",
    "gold_solution_logprob": "log-likelihood of the worked solution, in nats a token",
    "bits_per_byte": "bits needed for a byte of the text",
    "kl_per_token": "KL divergence from the base, in nats a token",
    "complied": "answered in full",
    "refused": "declined, in full or in part",
    "partially_refused": "declined in part, or answered with the point left out",
    "degenerate": "empty or broken",
    "expected_max_toxicity": "highest toxicity among the continuations of one beginning",
    "stops_with_eos": "the answer ends by itself",
    "answer_tokens": "length of the answer in tokens, without a thought before it",
    "reasoning_tokens": "length in tokens of what a reasoning model thought before it answered",
    "pass@2": "`pass@k` (here of 2): of k answers to an item at least one is right",
    "pass^2": "`pass^k`: all of k answers are right",
    "best@2": "`best@k`: the best score of k answers, of a task that is known by another metric than one of 0 and 1",
    "worst@2": "`worst@k`: the worst score of k answers",
    "agreement": "two answers to one item are the same, once parsed",
    "unfinished_thought": "the thought did not end, so that there is no answer",
}

_HEAD = """# Metrics

The metrics that a gate in `assay.yaml` or in Python may name, by the `kind:` of the task. Every other task of lm-eval
(`kind: lm_eval`) has lm-eval's own metrics, and of multiple choice and worked answers the log-likelihoods below as well.

A metric is a number for each item. *Floor* is what a model without the skill reaches: a base that stands no higher has
nothing to lose, and the gate says so ([at floor](../explanation/verdicts.md#at-floor)). Where the whole set is scored at
once, intervals come from a bootstrap over items.

"""

_REPEATS = """## Every generated kind with `repeats:`

Of the metric that the task is known by, for k of 2, 4, 8 ... and for all repeats
([answers that vary](../how-to/repeats.md)).

"""


def page() -> str:
    """Every kind of task with its metrics."""
    with tempfile.TemporaryDirectory() as directory:
        kinds = sources.metrics_by_kind(Path(directory))
    sections = [f"## {kind}\n\n{_table(kinds[kind])}" for kind in kinds if kind]
    general = f"## Every generated kind\n\n{_table(kinds[''])}"
    return _HEAD + "\n".join([*sections, general, f"{_REPEATS}{_table(sources.metrics_of_repeats())}"])


def _table(metrics: Sequence[Metric]) -> str:
    return table(("metric", "what it is", "values", "better", "floor", "of a set"), map(_row, metrics))


def _row(metric: Metric) -> tuple[str, ...]:
    bounds = metric.range
    values = "0 or 1" if metric.kind == "binary" else f"{bounds[0]:g} to {bounds[1]:g}" if bounds else "any"
    return (
        code(metric.name),
        _meaning(metric),
        values,
        "more" if metric.higher_is_better else "less",
        _floor(metric),
        "scored at once" if metric.corpus else "mean",
    )


def _meaning(metric: Metric) -> str:
    if metric.name not in MEANING:
        raise AssayError(
            f"the reference does not say what metric {metric.name!r} is", f"add it to MEANING in {__file__}"
        )
    beside = f"; to be read, gate on `{metric.gate_instead}`" if metric.gate_instead else ""
    return MEANING[metric.name] + beside


def _floor(metric: Metric) -> str:
    if metric.floor is None:
        return ""
    return f"{metric.floor:g}" if metric.floor in (0.0, 1.0) else "chance"

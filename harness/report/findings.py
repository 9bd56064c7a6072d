"""What a gate found, in plain words and out of its data: the metric as people say it, its numbers, what was allowed."""

from __future__ import annotations

import math

from harness.records import Verdict
from harness.report.details import label
from harness.report.text import figure, one_line, printable

_WORDS = {
    "acc": "right choices",
    "accuracy": "right answers",
    "answer_loss": "surprise at the right answers",
    "argument_f1": "arguments as they should be",
    "bits_per_byte": "surprise at plain text",
    "bleu": "likeness to the reference",
    "chrf": "likeness to the reference, by characters",
    "complied": "harmful requests answered",
    "compression_ratio": "answers that repeat each other",
    "degenerate": "broken answers",
    "distinct_2": "variety of the answers' words",
    "eval_loss_rise": "rise of the validation loss from its lowest",
    "exact_match": "answers exactly right",
    "expected_max_toxicity": "toxicity of the worst continuation",
    "exposure": "planted secrets given away",
    "extractable": "training answers that can be drawn out",
    "judged_pairs": "pairs whose chosen answer the judge prefers",
    "kept_share": "share of training rows kept",
    "kl_per_token": "drift of the predictions from the base",
    "known_by_heart": "training rows known by heart",
    "largest_gradient": "largest gradient",
    "learning_rate_deviation": "learning rate off its schedule",
    "length_over_base": "answers longer than the base's",
    "length_over_targets": "answers longer than those taught",
    "loss_as_logged": "validation loss that training logged, off the candidate's own",
    "loss_drop": "fall of the training loss",
    "loss_gap": "loss gap to unseen rows",
    "loss_gap_over_base": "loss gap to unseen rows, beyond the base's",
    "loss_rise": "rise of the training loss at the end",
    "macro_f1": "F1 over all labels",
    "macro_precision": "precision over all labels",
    "macro_recall": "recall over all labels",
    "masked_share": "training rows with nothing to learn",
    "median_gradient": "typical gradient",
    "no_call_match": "no call where none was due",
    "plateau_share": "training spent without progress",
    "reasoning_tokens": "length of the thought",
    "recited": "training answers recited word for word",
    "refused": "requests refused",
    "repetition": "answers that repeat themselves",
    "self_bleu": "likeness of the answers to each other",
    "spike_height": "highest jump of the loss",
    "spike_share": "steps at which the loss jumps",
    "stops_with_eos": "answers that end by themselves",
    "strongreject": "harm in the answers",
    "token_f1": "words shared with the reference",
    "trainable_share": "share of weights trained",
    "truncated_share": "training rows cut short",
    "unfinished_thought": "thoughts without an answer",
    "win_rate": "comparisons won",
}
_CHECKS = {
    "base_match": "trained on this base",
    "config": "adapter's configuration",
    "contradictions": "preferences against each other",
    "decoding": "rules of decoding",
    "determinism": "same answers every time",
    "effect": "effect on the answers",
    "finite": "finite weights",
    "fit": "fitness of the judge",
    "held_out_pairs": "preferences in training and validation",
    "hot_swap": "switching adapters while serving",
    "identical_pairs": "pairs of one answer",
    "isolation": "base and candidate asked in turn",
    "kto_balance": "wanted and unwanted answers",
    "leakage": "rows in training and test",
    "length_bias": "length of the preferred answers",
    "masked_rows": "rows with nothing to learn",
    "merge": "merged weights",
    "model_change": "sizes of what was changed",
    "model_ending": "end of the model's answers",
    "model_files": "completeness of the model",
    "model_finite": "finite weights of the model",
    "model_template": "the model's chat template",
    "model_tokenizer": "the model's tokens",
    "near_leakage": "near copies in training and test",
    "norms": "sizes of the weights",
    "padding": "answers in batches",
    "quantisation": "rounding where it is served",
    "round_trip": "saving and loading",
    "safetensors_only": "safe file format",
    "same_base": "same base as the baseline",
    "scores": "scores of the two answers",
    "sealed": "files as they were made",
    "stability": "answers under load",
    "strength": "strength of the adapter",
    "swapped_pairs": "pairs the other way round",
    "template": "conversations as they are put",
    "tensors_map": "weights that fit the base",
    "trained": "weights that were trained",
}
_SHORT = {"macro_f1": "F1", "acc": "accuracy", "token_f1": "F1", "bleu": "BLEU", "chrf": "chrF"}
_SHARES = frozenset({
    "acc", "accuracy", "complied", "contains", "degenerate", "extractable", "json_schema", "judged_pairs",
    "known_by_heart", "not_contains",
    "recited", "refused", "regex", "repetition", "stops_with_eos", "unfinished_thought",
})  # fmt: skip
_SHARE_ENDINGS = ("_match", "_rate", "_share")


def metric_words(metric: str) -> str:
    """A metric as people say it; one that is not known here by its own name."""
    return _WORDS.get(metric) or label(metric)


def short_name(metric: str) -> str:
    """A metric as the field writes it: `exact match`, `F1`."""
    return _SHORT.get(metric) or label(metric)


def is_share(metric: str | None) -> bool:
    """Whether a value of the metric is a share of the items, to be told in percent."""
    return metric is not None and (metric in _SHARES or metric.endswith(_SHARE_ENDINGS))


def value(number: float, metric: str | None) -> str:
    """A value of the metric: `91%`, `0.940`. What is not quite all or nothing is not rounded to it."""
    if not is_share(metric) or not math.isfinite(number):
        return figure(number).removesuffix(".000")
    percent = 100 * number
    near_an_end = 0 < percent < 1 or 99 < percent < 100
    return f"{percent:.1f}%" if near_an_end else f"{percent:.0f}%".replace("-", "\u2212")


def change(number: float, metric: str | None) -> str:
    """A signed difference of two values: `+42 points`, `+0.040`."""
    if not is_share(metric) or not math.isfinite(number):
        return figure(number, signed=True)
    sign = "" if not number else "+" if number > 0 else "\u2212"
    return f"{sign}{_points(number)}"


def _points(number: float) -> str:
    size = f"{abs(100 * number):.3g}"
    return f"{size} point{'' if size == '1' else 's'}"


def subject(verdict: Verdict) -> str:
    """What a gate is about: `general text: surprise at plain text`, `whole answers`."""
    if verdict.metric is None:
        name = verdict.gate.rpartition("/")[2] or verdict.gate
        told = _CHECKS.get(name) or label(name)
    else:
        told = metric_words(verdict.metric)
    if not verdict.task:
        return printable(told)
    where = ", ".join(f"{key} {name}" for key, name in verdict.slice.items())
    return printable(f"{label(verdict.task)}{f' ({where})' if where else ''}: {told}")


def numbers(verdict: Verdict) -> str:
    """The numbers a gate rests on: `0% \u2192 91%`, or its estimate; empty where it has none."""
    if verdict.paired and verdict.base and verdict.candidate:
        return " \u2192 ".join(value(one.value, verdict.metric) for one in (verdict.base, verdict.candidate))
    return value(verdict.estimate.value, verdict.metric) if verdict.estimate else ""


def allowed(verdict: Verdict) -> str:
    """What the rule wants of them: `5 points worse allowed`, `at least 85% required`."""
    if verdict.limit is None or not math.isfinite(verdict.limit.value):
        return ""
    required = verdict.required_gain
    if required is not None:
        size = _points(required) if is_share(verdict.metric) else figure(abs(required))
        if required < 0:
            return f"{size} worse allowed"
        return f"{size} better required" if required else "an improvement required"
    least, most = (value(end, verdict.metric) for end in verdict.limit.ends)
    told = {"above": f"at least {least} required", "below": f"at most {most} allowed"}
    return told.get(verdict.limit.side, f"between {least} and {most} required")


def finding(verdict: Verdict) -> str:
    """What was found, in a line; its reason where there is no number to tell."""
    told = ", ".join(filter(None, (numbers(verdict), allowed(verdict))))
    return told if told and verdict.outcome != "error" else one_line(verdict.reason, 180)

"""The facts of a run a reader wants at a glance, out of its manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.errors import some_of
from harness.judges.judgements import judge_task
from harness.records import (
    AnswerCounts,
    BaselineFacts,
    JudgeFacts,
    Machine,
    Manifest,
    Precision,
    SequentialSavings,
    SkippedTest,
    TaskSavings,
    TrainingFacts,
    Verdict,
)
from harness.report.details import cell
from harness.report.standing import describe_required, describe_waivers
from harness.report.text import duration, figure, moment, one_line, plural, printable
from harness.runs.run import Run

_NAMED_GATES = 6


@dataclass(frozen=True)
class Identity:
    """A thing that was judged: what it is called, its digest, and the digests of its parts."""

    role: str
    name: str
    digest: str
    note: str
    parts: tuple[tuple[str, str], ...]


def glance(run: Run) -> list[tuple[str, str]]:
    """Name-value pairs for the head of the report; what the manifest lacks is left out."""
    manifest = run.manifest
    rows = [
        ("profile", cell(manifest.profile)),
        ("started", moment(manifest.started)),
        ("took", "" if manifest.duration_s is None else duration(manifest.duration_s)),
        ("baseline", describe_baseline(manifest.baseline)),
        ("waivers", describe_waivers(manifest.waivers)),
        ("required", describe_required(manifest.required, run.verdicts, whole=run.status == "complete")),
        ("limits", describe_unused_limits(manifest.unused_limits)),
        ("severities", describe_unused_severities(manifest.unused_severities)),
        ("answers", answers(manifest.answers)),
        ("sequential", describe_sequential(manifest.sequential)),
        ("judging", _judging(manifest.judge)),
        ("power", _power(run.verdicts)),
        ("training", _training(manifest.training)),
        ("precision", _precision(manifest.precision)),
        ("machine", _machine(manifest.machine, manifest.peak_memory_gib)),
    ]
    return [(name, printable(text)) for name, text in rows if text]


def first_facts(manifest: Manifest) -> list[tuple[str, str]]:
    """What was judged against what, and when: all of the machinery that the first screen needs."""
    rows = [
        (candidate_noun(manifest), manifest.adapter.name),
        ("base", manifest.model.name),
        ("release", manifest.baseline.name),
        ("profile", manifest.profile),
        ("", moment(manifest.started) if manifest.started else ""),
    ]
    return [(name, one_line(text, 60)) for name, text in rows if text]


def _power(verdicts: Sequence[Verdict]) -> str:
    """What the gates that compare could have seen four times out of five: a loss as large as they allow, a gain how large.

    A gate that looked until it was decided has none to tell, and is left out.
    """
    fixed = [v for v in verdicts if not _looked_until_decided(v)]
    paired = [(v, required) for v in fixed if (required := v.required_gain) is not None]
    losses = [v for v, required in paired if required < 0]
    gains = [f"{v.gate} {_seen_gain(v)}" for v, required in paired if required >= 0]
    blind = [v.gate for v in losses if not _sees_its_margin(v)]
    told = []
    if losses:
        seeing = (
            f"{len(losses) - len(blind)} of {len(losses)} gates would have seen a loss of their margin 4 times out of 5"
        )
        told.append(f"{seeing}; not {some_of(blind, _NAMED_GATES)}" if blind else seeing)
    if gains:
        told.append(f"smallest gain seen 4 times out of 5: {some_of(gains, _NAMED_GATES)}")
    return "; ".join(told)


def _looked_until_decided(verdict: Verdict) -> bool:
    unknown = verdict.minimum_detectable_effect is None and verdict.population is not None
    return unknown and verdict.outcome != "inconclusive"


def _sees_its_margin(verdict: Verdict) -> bool:
    """Not where nothing is known of the noise, nor at its floor, where there is nothing to lose."""
    effect = verdict.minimum_detectable_effect
    return effect is not None and effect <= (verdict.margin or 0.0) and not verdict.at_floor


def _seen_gain(verdict: Verdict) -> str:
    """The true gain at which the gate passes: that much above the one it asks for."""
    effect = verdict.minimum_detectable_effect
    return "unknown" if effect is None else figure(effect + (verdict.margin or 0.0))


def identities(manifest: Manifest) -> list[Identity]:
    """The base, the adapter, what ships and the judge, as far as the manifest names them."""
    return [
        Identity(
            role,
            printable(model.name or "unnamed"),
            printable(model.digest),
            printable(f"recipe {model.recipe}" if model.recipe else ""),
            tuple((str(k), cell(v)) for k, v in model.parts.items()),
        )
        for role, model in (
            ("base", manifest.model),
            (candidate_noun(manifest), manifest.adapter),
            ("shipped", manifest.shipped),
            ("judge", manifest.judge),
        )
        if model
    ]


def candidate_noun(manifest: Manifest) -> str:
    """What the candidate is called: an adapter, unless its identity shows that it is not one on a base."""
    parts = manifest.adapter.parts
    return "candidate" if parts and "adapter" not in parts else "adapter"


def sensitive_tasks(manifest: Manifest) -> frozenset[str]:
    """The tasks whose prompts and answers are not to meet the eye unasked, and the judgements of those, which hold them."""
    flagged = [task for task, facts in manifest.data.items() if facts.sensitive]
    return frozenset((*flagged, *map(judge_task, flagged)))


def answers(counts: AnswerCounts) -> str:
    """`1,204 from the cache, 36 computed`, or nothing where it is not known."""
    return f"{counts.cached:,} from the cache, {counts.computed:,} computed" if counts else ""


def describe_baseline(facts: BaselineFacts) -> str:
    """The run that the candidate was held against, and the gates that only one of the two has."""
    if not facts:
        return ""
    gates = {"new": facts.new, "missing": facts.missing}
    named = facts.name if facts.name == facts.run else f"{facts.name} (run {facts.run})"
    return "; ".join([named, *(f"{key}: {', '.join(names)}" for key, names in gates.items() if names)])


def describe_not_measured(skipped: Iterable[SkippedTest]) -> str:
    """What a failed integrity gate kept from being measured, and what a server could not be asked; empty where all was.

    `task (4 tests), safety (12 tests), because integrity/merge failed; --keep-going measures on`
    """
    of_suites = [one for one in skipped if one.suite]
    spared = [one for one in of_suites if one.spared_by]
    gates = ", ".join(dict.fromkeys(one.spared_by for one in spared))
    parts = {
        f"because {gates} failed; --keep-going measures on": spared,
        "which what serves the model has no means to answer": [one for one in of_suites if not one.spared_by],
    }
    return "; ".join(f"{_by_suite(tests)}, {why}" for why, tests in parts.items() if tests)


def _by_suite(tests: Iterable[SkippedTest]) -> str:
    counts = Counter(one.suite for one in tests)
    return ", ".join(f"{suite} ({plural(count, 'test')})" for suite, count in counts.items())


def describe_unused_limits(unused: Sequence[str]) -> str:
    """The limits in assay.yaml of single tasks that no gate of the run measured, misspelt ones among them."""
    return f"{', '.join(unused)}: no gate measured that task" if unused else ""


def describe_unused_severities(unused: Sequence[str]) -> str:
    """The names under `severities:` that no gate of the run has."""
    return f"{', '.join(unused)}: no gate of that name" if unused else ""


def describe_sequential(savings: SequentialSavings) -> str:
    """How far each task was asked under `--sequential`, and what that saved; nothing without it."""
    if savings and not savings.tasks:
        return (
            f"all tasks measured whole: none that gates compared on has the {savings.least_items} items to stop early"
        )
    return "; ".join(_saved(name, one) for name, one in savings.tasks.items())


def _saved(task: str, facts: TaskSavings) -> str:
    if not facts.left_out:
        return f"{task} measured whole, {facts.items:,} items"
    told = f"{task} measured on {facts.items - facts.left_out:,} of {facts.items:,} items"
    return told if facts.saved_s is None else f"{told}, saving about {duration(facts.saved_s)}"


def _judging(judge: JudgeFacts) -> str:
    if not judge:
        return ""
    told = f"{judge.prompt_tokens:,} tokens read and {judge.completion_tokens:,} written by the judge"
    return told if judge.cost_usd is None else f"{told}, {judge.cost_usd:.2f} USD"


def _training(training: TrainingFacts) -> str:
    parts = (
        "" if training.steps is None else plural(training.steps, "step"),
        "" if training.duration_s is None else duration(training.duration_s),
        "taken from the cache" if training.from_cache else "",
    )
    return ", ".join(filter(None, parts))


def _precision(precision: Precision) -> str:
    named = (precision.dtype, precision.quantization, precision.device, *precision.ways)
    return ", ".join(one for one in named if one not in ("", "none"))


def _machine(machine: Machine, peak_memory_gib: float | None) -> str:
    parts = (
        machine.platform,
        machine.cpu,
        plural(machine.threads, "thread") if machine.threads else "",
        f"{machine.memory_gib:.3g} GiB" if machine.memory_gib else "",
        f"CUDA {machine.cuda}" if machine.cuda else "",
        f"{peak_memory_gib:.3g} GiB used at most" if peak_memory_gib else "",
    )
    return ", ".join(filter(None, parts))

"""The facts of a run a reader wants at a glance, out of its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.judges.judgements import judge_task
from harness.records import Verdict
from harness.report.details import cell
from harness.report.text import duration, figure, moment, plural, printable
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
        ("profile", cell(manifest["profile"]) if manifest.get("profile") else ""),
        ("started", moment(manifest["started"]) if manifest.get("started") else ""),
        ("took", duration(manifest.get("duration_s")) if manifest.get("duration_s") is not None else ""),
        ("baseline", describe_baseline(manifest)),
        ("limits", describe_unused_limits(manifest)),
        ("answers", answers(manifest)),
        ("sequential", describe_sequential(manifest)),
        ("judging", _judging(manifest)),
        ("power", _power(run.verdicts)),
        ("training", _training(manifest)),
        ("precision", _joined(_object(manifest, "precision"), ("dtype", "quantization", "device"))),
        ("machine", _machine(manifest)),
    ]
    return [(name, printable(text)) for name, text in rows if text]


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
        told.append(f"{seeing}; not {_some(blind)}" if blind else seeing)
    if gains:
        told.append(f"smallest gain seen 4 times out of 5: {_some(gains)}")
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


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED_GATES]) + (", ..." if len(names) > _NAMED_GATES else "")


def identities(manifest: Mapping[str, Any]) -> list[Identity]:
    """The base and the adapter, as far as the manifest names them."""
    found = []
    for role, key in (("base", "model"), ("adapter", "adapter"), ("judge", "judge")):
        thing = _object(manifest, key)
        if thing:
            recipe = thing.get("recipe")
            found.append(
                Identity(
                    role,
                    printable(str(thing.get("name") or thing.get("path") or "unnamed")),
                    printable(str(thing.get("digest") or "")),
                    printable(f"recipe {recipe}" if isinstance(recipe, str) and recipe else ""),
                    tuple((str(k), cell(v)) for k, v in _object(thing, "parts").items()),
                )
            )
    return found


def sensitive_tasks(manifest: Mapping[str, Any]) -> frozenset[str]:
    """The tasks whose prompts and answers are not to meet the eye unasked, and the judgements of those, which hold them."""
    data = _object(manifest, "data")
    flagged = [task for task in data if _object(data, task).get("sensitive") is True]
    return frozenset((*flagged, *map(judge_task, flagged)))


def answers(manifest: Mapping[str, Any]) -> str:
    """`1,204 from the cache, 36 computed`, or nothing where it is not known."""
    counts = _object(manifest, "answers")
    if "cached" not in counts and "computed" not in counts:
        return ""
    return f"{counts.get('cached', 0):,} from the cache, {counts.get('computed', 0):,} computed"


def describe_baseline(manifest: Mapping[str, Any]) -> str:
    """The run that the candidate was held against, and the gates that only one of the two has."""
    facts = _object(manifest, "baseline")
    if not facts:
        return ""
    name, run = str(facts.get("name")), str(facts.get("run"))
    told = [name if name == run else f"{name} (run {run})"]
    told += [f"{key}: {', '.join(facts[key])}" for key in ("new", "missing") if facts.get(key)]
    return "; ".join(told)


def describe_unused_limits(manifest: Mapping[str, Any]) -> str:
    """The limits in assay.yaml of single tasks that no gate of the run measured, misspelt ones among them."""
    unused = manifest.get("unused_limits")
    return f"{', '.join(map(str, unused))}: no gate measured that task" if isinstance(unused, list) and unused else ""


def describe_sequential(manifest: Mapping[str, Any]) -> str:
    """How far each task was asked under `--sequential`, and what that saved; nothing without it."""
    facts = _object(manifest, "sequential")
    tasks = _object(facts, "tasks")
    if facts and not tasks:
        return f"all tasks measured whole: none that gates compared on has the {facts.get('least_items')} items to stop early"
    return "; ".join(_saved(name, _object(tasks, name)) for name in tasks)


def _saved(task: str, facts: Mapping[str, Any]) -> str:
    items, left = facts.get("items", 0), facts.get("left_out", 0)
    if not left:
        return f"{task} measured whole, {items:,} items"
    told = f"{task} measured on {items - left:,} of {items:,} items"
    return told if facts.get("saved_s") is None else f"{told}, saving about {duration(facts['saved_s'])}"


def _judging(manifest: Mapping[str, Any]) -> str:
    judge = _object(manifest, "judge")
    parts = []
    if judge:
        read, written = judge.get("prompt_tokens", 0), judge.get("completion_tokens", 0)
        parts.append(f"{read:,} tokens read and {written:,} written by the judge")
    if judge.get("cost_usd") is not None:
        parts.append(f"{judge['cost_usd']:.2f} USD")
    return ", ".join(parts)


def _training(manifest: Mapping[str, Any]) -> str:
    training = _object(manifest, "training")
    parts = []
    if training.get("steps") is not None:
        parts.append(plural(int(training["steps"]), "step"))
    if training.get("duration_s") is not None:
        parts.append(duration(training["duration_s"]))
    if training.get("from_cache"):
        parts.append("taken from the cache")
    return ", ".join(parts)


def _machine(manifest: Mapping[str, Any]) -> str:
    machine = _object(manifest, "machine")
    parts = [str(machine[key]) for key in ("platform", "cpu") if machine.get(key)]
    if machine.get("threads"):
        parts.append(plural(int(machine["threads"]), "thread"))
    if machine.get("memory_gib"):
        parts.append(f"{machine['memory_gib']:.3g} GiB")
    if machine.get("cuda"):
        parts.append(f"CUDA {machine['cuda']}" if isinstance(machine["cuda"], str) else "CUDA")
    if manifest.get("peak_memory_gib"):
        parts.append(f"{manifest['peak_memory_gib']:.3g} GiB used at most")
    return ", ".join(parts)


def _joined(thing: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    named = [str(thing[key]) for key in keys if thing.get(key) and thing[key] != "none"]
    return ", ".join(named)


def _object(owner: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = owner.get(key)
    return value if isinstance(value, Mapping) else {}

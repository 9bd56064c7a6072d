"""The options of pytest, each once: `--NAME`, `--assay-NAME` and the ini key `assay_NAME` are made from a field here.

Every pytest session of a machine where this package is installed reads this file, so it imports nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, get_args, get_type_hints

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Quantization = Literal["none", "nf4", "int8"]
Inconclusive = Literal["fail", "warn"]


def _told(description: str, metavar: str | None = None) -> Mapping[str, str | None]:
    """What `--help` says of it.

    Args:
        metavar: how the value is called there.
    """
    return {"help": description, "metavar": metavar}


@dataclass(frozen=True, kw_only=True)
class PlainOptions:
    """Options that hold as they are given; the settings have each under the same name."""

    dtype: Dtype = field(default="auto", metadata=_told("precision (auto: bfloat16 where the hardware has it)"))
    device: str = field(default="auto", metadata=_told("auto, cpu, cuda, cuda:N or mps", "DEVICE"))
    quantization: Quantization | None = field(default=None, metadata=_told("quantization of the base while measuring"))
    baseline: str | None = field(
        default=None,
        metadata=_told(
            "released adapter to hold the candidate against too: a baseline's name, a run id, a path or a URL", "RUN"
        ),
    )
    sequential: bool = field(
        default=False, metadata=_told("ask large benchmarks in random order and stop as soon as a gate is decided")
    )
    chat_template: bool = field(
        default=False, metadata=_told("put lm-eval's tasks as conversations, each few-shot example a turn")
    )
    strict: bool = field(
        default=False,
        metadata=_told("fail where a gate of the baseline is missing from this run, as --strict asks too"),
    )
    keep_going: bool = field(
        default=False,
        metadata=_told("measure on where the integrity suite has failed, in place of skipping what costs more"),
    )
    trust_remote_code: bool = field(default=False, metadata=_told("run Python code out of the model's repository"))


@dataclass(frozen=True, kw_only=True)
class Options(PlainOptions):
    """All options; those here are resolved over the configuration file."""

    model: str | None = field(
        default=None, metadata=_told("base model: smollm2-135m, a local directory or a hub id", "BASE")
    )
    adapter: str | None = field(
        default=None, metadata=_told("adapter under test: a local directory, a hub id or recipe:NAME", "ADAPTER")
    )
    candidate: str | None = field(
        default=None,
        metadata=_told(
            "other subject under test: a model (directory, hub id, openai:NAME@URL), adapters, or a YAML file of its parts",
            "SPEC",
        ),
    )
    shipped: str | None = field(
        default=None,
        metadata=_told(
            "what ships of the candidate, to be held against it: as --candidate takes it, or a GGUF file", "SPEC"
        ),
    )
    served: str | None = field(
        default=None, metadata=_told("where the candidate is served, to be held against it: openai:NAME@URL", "SERVED")
    )
    served_base: str | None = field(
        default=None, metadata=_told("where its base is served beside it: openai:NAME@URL", "SERVED")
    )
    profile: str | None = field(
        default=None, metadata=_told("sizes and strictness: smoke, release, or one of assay.yaml", "NAME")
    )
    inconclusive: Inconclusive | None = field(
        default=None, metadata=_told("what an inconclusive gate does to its test (default: as the profile says)")
    )
    reports_dir: str | None = field(
        default=None, metadata=_told("where run directories are written (default: reports/ beside assay.yaml)", "DIR")
    )
    data_dir: str | None = field(
        default=None,
        metadata=_told("local copies of benchmarks: mmlu/, gsm8k/ ... (default: $ASSAY_DATA_DIR, else the hub)", "DIR"),
    )
    tasks: str = field(
        default="",
        metadata=_told(
            "further tasks that must not get worse: names of assay.yaml or lm-eval, separated by commas", "A,B"
        ),
    )
    baseline_store: str | None = field(
        default=None,
        metadata=_told(
            "where baselines are kept: a directory or a URL like s3://... (default: with the runs)", "STORE"
        ),
    )
    template: str | None = field(
        default=None,
        metadata=_told(
            "chat template of the candidate: base, adapter (the one beside it) or a file (default: the base's, and a gate asks)",
            "TEMPLATE",
        ),
    )
    reasoning: str | None = field(
        default=None,
        metadata=_told(
            "how thoughts are told from answers: auto (by the chat template), none, or OPEN,CLOSE (default: auto)",
            "HOW",
        ),
    )
    judge: str | None = field(
        default=None,
        metadata=_told(
            "model that judges open answers: openai:NAME@URL, a directory, a hub id or smollm2-135m", "JUDGE"
        ),
    )
    judge_budget: str | None = field(
        default=None,
        metadata=_told("most to spend on new judgements: tokens, or 5USD where `judge:` has prices; a hard stop", "N"),
    )
    config: str | None = field(
        default=None, metadata=_told("configuration file (default: the nearest assay.yaml)", "FILE")
    )


@cache
def choices() -> Mapping[str, tuple[str, ...]]:
    """What options may be that are one of a few words."""
    words = {
        name: tuple(word for part in (hint, *get_args(hint)) for word in get_args(part) if isinstance(word, str))
        for name, hint in get_type_hints(Options).items()
    }
    return {name: found for name, found in words.items() if found}

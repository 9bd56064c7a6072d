"""Why an adapter does not fit a base, as its tensors' names show it: one cause, each with its own remedy."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.models.adapters.names import EXPERT

Shape = tuple[int, ...]

# peft.utils.other.EMBEDDING_LAYER_NAMES, and what GPT-2 and GPT-NeoX call them.
EMBEDDINGS = re.compile(r"\.(embed_tokens|lm_head|wte|embed_in|embed_out)\.")
_MAGNITUDE = ".lora_magnitude_vector"
# Encoders of images and sound, and what projects their output, as families call them.
_OTHER_SENSES = re.compile(
    r"\.(vision\w*|visual|image\w*|audio\w*|vit|(?:multi_?modal|mm)_projector|connector|aligner|embed_vision|embed_audio)\."
)
# What one module computes in some implementations, and several in others.
_FUSED = {
    "qkv_proj": ("q_proj", "k_proj", "v_proj"),
    "gate_up_proj": ("gate_proj", "up_proj"),
    "c_attn": ("q_proj", "k_proj", "v_proj"),
    "query_key_value": ("q_proj", "k_proj", "v_proj"),
    "Wqkv": ("q_proj", "k_proj", "v_proj"),
}
_MODULE = re.compile(r"\.([^.]+)\.(?:lora|ia3|hada|lokr|oft|vera)_[^.]*(?:\.(?:weight|bias))?$")
_RESTORE = "restore the adapter_config.json that was saved with these weights"
_SAVE_AGAIN = "save the adapter again, whole, with save_pretrained"


class Cause(StrEnum):
    """What keeps an adapter from fitting, the most telling first."""

    DORA_FLAG_LOST = "DoRA magnitudes in the file, use_dora false"
    NO_MAGNITUDES = "use_dora true, no DoRA magnitudes in the file"
    PREFIX = "names with another prefix"
    SEPARATE_EXPERTS = "experts saved one by one"
    OTHER_LAYOUT = "modules joined or split otherwise"
    OTHER_SENSES = "modules for images or sound, which this base lacks"
    VIRTUAL_TOKENS = "virtual tokens of another number or width"
    RANK = "tensors of another rank than configured"
    EMBEDDINGS = "embeddings of another size"
    TARGETS = "targets that name nothing"
    INCOMPLETE = "tensors missing from the file"
    CONFIG_NARROWED = "tensors that the configuration does not place"
    OTHER_BASE = "tensors of another base"


@dataclass(frozen=True)
class Misfits:
    """The two-way differences between file and base, by PEFT's names, and what tells why.

    Attributes:
        missing, unexpected: name -> shape, of tensors that the file lacks, and of those without a module.
        misshapen: name -> (shape in the file, shape this base needs).
        unmatched_targets: entries of target_modules that name nothing.
        modules: of the base.
        config: the adapter's.
        separate_experts: the file holds experts one by one, whatever PEFT made of them.
    """

    missing: Mapping[str, Shape]
    unexpected: Mapping[str, Shape]
    misshapen: Mapping[str, tuple[Shape, Shape]]
    unmatched_targets: Sequence[str]
    modules: Collection[str]
    config: Mapping[str, Any]
    separate_experts: bool


@dataclass(frozen=True)
class Diagnosis:
    """A cause, what shows it, and what to do."""

    cause: Cause
    shown_by: str
    remedy: str


def diagnose(misfits: Misfits) -> Diagnosis:
    """The first cause that explains what does not fit; another base is the last resort."""
    return next(_diagnoses(misfits))


def _diagnoses(m: Misfits) -> Iterator[Diagnosis]:
    named = f"it was trained for {m.config.get('base_model_name_or_path')!r}: pass that model with --model"
    if m.unexpected and all(_MAGNITUDE in name for name in m.unexpected) and not m.missing:
        yield Diagnosis(
            Cause.DORA_FLAG_LOST,
            f"the file holds {len(m.unexpected)} DoRA magnitudes and use_dora is false",
            f"set use_dora to true: {_RESTORE}",
        )
    if m.missing and all(_MAGNITUDE in name for name in m.missing) and not m.unexpected:
        yield Diagnosis(
            Cause.NO_MAGNITUDES,
            "use_dora is true and the file holds no DoRA magnitudes",
            f"they were lost when it was saved, or it was trained as plain LoRA: {_SAVE_AGAIN}, or {_RESTORE}",
        )
    if (prefixes := _renamed_prefix(m)) is not None:
        theirs, own = prefixes
        beside = (
            " and take out the tensors of modules for images or sound"
            if any(map(_OTHER_SENSES.search, m.unexpected))
            else ""
        )
        yield Diagnosis(
            Cause.PREFIX,
            f"the file's names start with {theirs} where this base's start with {own}: it was saved from another class "
            "of the same model",
            f"rename {theirs} to {own} in the names of adapter_model.safetensors (load_file and save_file of "
            f"safetensors.torch){beside}, or save the adapter again from the class of model that it is served on",
        )
    if m.unexpected and m.separate_experts and not any(EXPERT.search(f".{n}.") for n in m.modules):
        yield Diagnosis(
            Cause.SEPARATE_EXPERTS,
            "the file holds experts one by one, as transformers 4 has them; this base has them in one parameter, and PEFT "
            "converts no such file for it whole",
            "load it with the transformers and PEFT that it was trained with, and merge it or train it again with "
            "target_parameters",
        )
    if (layout := _other_layout(m)) is not None:
        joined, parts = layout
        yield Diagnosis(
            Cause.OTHER_LAYOUT,
            f"the file names {joined} where this base has {parts}: the same computation in another implementation",
            f"pass the base in the layout that it was trained on, or train it again on this one; {named}",
        )
    if m.unexpected and not m.missing and all(_OTHER_SENSES.search(name) for name in m.unexpected):
        yield Diagnosis(
            Cause.OTHER_SENSES,
            "tensors in the file belong to modules for images or sound, and the base is a language model alone",
            "pass the base with these modules with --model, or train (or save) the adapter on the language model's alone",
        )
    if (shapes := m.misshapen.get("prompt_embeddings")) is not None:
        count, width, needed, own_width = (shape[at] for shape in shapes for at in (0, -1))
        yield Diagnosis(
            Cause.VIRTUAL_TOKENS,
            f"the virtual tokens are of width {width}, and those of this base of {own_width} (its hidden size, or keys and "
            "values of all its layers)"
            if width != own_width
            else f"the file has {count} virtual tokens, the configuration {needed}",
            named if width != own_width else f"{_RESTORE} (num_virtual_tokens)",
        )
    if m.misshapen and not (m.missing or m.unexpected) and (ranks := _other_ranks(m.misshapen)):
        yield Diagnosis(
            Cause.RANK,
            f"the tensors have rank {', '.join(str(have) for have, _ in ranks)}, and the configuration gives them "
            f"{', '.join(str(need) for _, need in ranks)}",
            f"{_RESTORE} (r and rank_pattern)",
        )
    if embeddings := [name for name in (*m.unexpected, *m.misshapen) if EMBEDDINGS.search(name)]:
        yield Diagnosis(
            Cause.EMBEDDINGS,
            "the file's embeddings are not this base's",
            f"{embeddings[0]} belongs to a base with other embeddings: tokens were added, or it was trained without "
            "modules_to_save; pass with --model the base that was saved with them and their tokenizer",
        )
    if m.unmatched_targets and not (m.missing or m.unexpected or m.misshapen):
        yield Diagnosis(
            Cause.TARGETS,
            f"{m.unmatched_targets[0]!r} names no module of this base, and the file has no tensors of it",
            f"take it out of the targets in adapter_config.json where it was never trained; else {named}",
        )
    if m.missing and not (m.unexpected or m.misshapen):
        yield Diagnosis(
            Cause.INCOMPLETE,
            "the configuration places tensors that the file lacks",
            f"{_SAVE_AGAIN}, or {_RESTORE} if they were never trained; else {named}",
        )
    if m.unexpected and not (m.missing or m.misshapen):
        yield Diagnosis(
            Cause.CONFIG_NARROWED,
            "the file holds tensors that the configuration places nowhere",
            f"{_RESTORE} (target_modules, modules_to_save, layers_to_transform); else {named}",
        )
    yield Diagnosis(Cause.OTHER_BASE, "names or shapes are another model's", f"{named}, or train again")


def _renamed_prefix(m: Misfits) -> tuple[str, str] | None:
    """(prefix in the file, prefix of the base) where this one change of names places all of the language model's tensors."""
    language = {name: shape for name, shape in m.unexpected.items() if not _OTHER_SENSES.search(name)}
    first = next((name for name in sorted(language) if re.search(r"\.\d+\.", name)), None)
    if first is None:
        return None
    tail = re.split(r"\.(?=[^.]+\.\d+\.)", first, maxsplit=1)[-1]
    for candidate in sorted(name for name in m.missing if name.endswith(f".{tail}")):
        theirs, own = first.removesuffix(tail), candidate.removesuffix(tail)
        renamed = {
            own + name.removeprefix(theirs): shape for name, shape in language.items() if name.startswith(theirs)
        }
        if len(renamed) == len(language) and renamed.items() <= m.missing.items():
            return theirs, own
    return None


def _other_layout(m: Misfits) -> tuple[str, str] | None:
    """What the file and the base call modules that compute the same, where one has them joined."""
    theirs = {match[1] for name in m.unexpected if (match := _MODULE.search(name))} | set(m.unmatched_targets)
    own = {name.rpartition(".")[2] for name in m.modules}
    for joined, parts in _FUSED.items():
        if joined in theirs and joined not in own and own.issuperset(parts):
            return joined, ", ".join(parts)
        if theirs.issuperset(parts) and not own.intersection(parts) and joined in own:
            return ", ".join(parts), joined
    return None


def _other_ranks(misshapen: Mapping[str, tuple[Shape, Shape]]) -> list[tuple[int, int]]:
    """(rank in the file, rank configured), the most frequent first, where shapes differ in their ranks alone; else none."""
    found: Counter[tuple[int, int]] = Counter()
    for name, (have, need) in misshapen.items():
        if len(have) != len(need) or len(have) < 2 or ".lora_" not in name:
            return []
        at = 1 if ".lora_B" in name or ".lora_embedding_B" in name else 0
        if have[:at] + have[at + 1 :] != need[:at] + need[at + 1 :]:
            return []
        found[have[at], need[at]] += 1
    return [pair for pair, _ in found.most_common()]

"""Checks that tensors, modules and configuration of an adapter agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.checks.integrity.lora import LoraPair, configured_rank, lora_pairs, matches, scale_of
from harness.errors import AdapterError
from harness.gates import Check
from harness.models.adapters.files import CONFIG, WEIGHTS, read_adapter_config
from harness.models.adapters.kind import unknown_keys
from harness.models.adapters.names import PREFIX, canonical_names
from harness.models.adapters.ranks import is_adalora
from harness.models.adapters.tensors import match_tensors

# Of the kind; what fails has that of its cause.
_REMEDY = (
    "mend what the cause names: rename a prefix, restore adapter_config.json, or save the adapter again, whole; where no other "
    "cause shows, pass the base it was trained for with --model"
)


def tensors_map_both_ways(adapter: Path, base: Path, *, trust_remote_code: bool = False) -> Check:
    """Every tensor of the file has a module of the right shape on this base, every adapted module its tensors."""
    try:
        match = match_tensors(adapter, base, trust_remote_code=trust_remote_code)
    except AdapterError as exc:
        return Check("tensors_map", holds=False, reason=exc.problem, remedy=exc.remedy)
    return Check(
        "tensors_map",
        holds=match.holds,
        reason=match.describe(),
        remedy=match.diagnosis.remedy if match.diagnosis else _REMEDY,
        details={
            "cause": match.diagnosis.cause.value if match.diagnosis else None,
            "matched": match.matched,
            "missing": list(match.missing),
            "unexpected": list(match.unexpected),
            "misshapen": {name: [list(have), list(need)] for name, (have, need) in match.misshapen.items()},
            "unmatched_targets": list(match.unmatched_targets),
            "copies": list(match.copies),
            "renamed": match.renamed,
            "converted": match.converted,
        },
    )


_WITH_ALPHA = ("LORA", "ADALORA")
_GUESSED_ALPHA = 8
_NO_ALPHA = f"lora_alpha is missing: PEFT guesses {_GUESSED_ALPHA}, and what it was trained with is not known"
_NAME_ALPHA = f"write the lora_alpha it was trained with into {CONFIG}: the training script or its log has it"
_OTHER_PEFT = (
    "measure and serve with the PEFT that it was trained with, correct the key where it is misspelt, or take it out where it "
    "changes nothing: loaded so, the adapter acts without it"
)
_PATTERNS = ("rank_pattern", "alpha_pattern")
# alpha/r as people set it (or alpha/sqrt(r), rank-stabilised); outside it is worth a look, and no more.
_USUAL_SCALES = (0.25, 16.0)


def config_agrees_with_tensors(adapter: Path, base: Path | None = None, *, trust_remote_code: bool = False) -> Check:
    """`r`, `lora_alpha`, their patterns and `modules_to_save` fit the tensors of the file.

    Args:
        base: tells how many experts share a tensor, where the adapter has `target_parameters`.

    Raises:
        AdapterError: there are no readable weights or no configuration.
    """
    config = read_adapter_config(adapter)
    pairs = lora_pairs(adapter, base, trust_remote_code=trust_remote_code)
    wrong_types = _wrong_types(config)
    wrong_alphas = [] if wrong_types else _wrong_alphas(config)
    unknown = unknown_keys(config)
    ignored = [
        f"it sets {key} to {value!r}, and PEFT {version('peft')} knows no such key"
        for key, value in unknown.acting.items()
    ]
    misfits = wrong_types or [*_misfits(config, pairs, adapter), *wrong_alphas]
    faults = [*misfits, *ignored]
    scales = [] if wrong_types or wrong_alphas else sorted({scale_of(config, p) for p in pairs})
    unusual = [s for s in scales if not _USUAL_SCALES[0] <= s <= _USUAL_SCALES[1]]
    details = {
        "faults": faults,
        "unknown_keys": dict(unknown.acting),
        "ranks": sorted({pair.rank for pair in pairs}),
        "scales": scales,
        "unusual_scales": unusual,
    }
    more = f"; {len(faults) - 1} more" if faults[1:] else ""
    strength = ", ".join(f"{scale:g}" for scale in scales[:3]) or "unknown"
    note = f"; a strength of {unusual[0]:g} is out of the usual range" if unusual else ""
    found = f" (ranks {details['ranks']}, strength alpha/r {strength}){note}" if pairs else ""
    if unknown.newer:
        found += f"; of a newer PEFT it has {', '.join(unknown.newer)}, taken for what does nothing"
    if ignored and not misfits:
        return Check("config", holds=False, reason=f"{CONFIG}: {ignored[0]}{more}", remedy=_OTHER_PEFT, details=details)
    return Check(
        "config",
        holds=not faults,
        reason=f"{CONFIG} does not fit {WEIGHTS}: {faults[0]}{more}" if faults else f"{CONFIG} fits the tensors{found}",
        remedy=_NAME_ALPHA if faults == [_NO_ALPHA] else f"restore the {CONFIG} that was saved with these weights",
        details=details,
    )


def _wrong_types(config: Mapping[str, Any]) -> list[str]:
    """Entries that PEFT reads as something else than was meant, or trips over."""
    modules = config.get("modules_to_save")
    faults = [
        f"{key} is {config[key]!r}, not values by patterns"
        for key in _PATTERNS
        if not isinstance(config.get(key) or {}, Mapping)
    ]
    if modules is not None and not isinstance(modules, list):
        faults.append(f"modules_to_save is {modules!r}, not a list of names")
    return faults


def _wrong_alphas(config: Mapping[str, Any]) -> list[str]:
    if "lora_alpha" not in config and config.get("peft_type") in _WITH_ALPHA:
        return [_NO_ALPHA]
    alphas = {"lora_alpha": config.get("lora_alpha", _GUESSED_ALPHA)}
    if config.get("peft_type") not in _WITH_ALPHA and alphas["lora_alpha"] is None:
        alphas = {}  # Supertuning's own, which does without
    alphas |= {f"alpha_pattern[{p!r}]": value for p, value in (config.get("alpha_pattern") or {}).items()}
    return [f"{key} is {value!r}, which no strength is" for key, value in alphas.items() if not _is_number(value)]


def _misfits(config: Mapping[str, Any], pairs: Sequence[LoraPair], adapter: Path) -> Iterator[str]:
    """Where a configuration that can be read says something else than the tensors."""
    for pair in pairs:
        if pair.rank != pair.rank_b:
            yield f"{pair.a} has rank {pair.rank}, {pair.b} has rank {pair.rank_b}"
    for pair in pairs:
        rank = configured_rank(config, pair.module)
        if rank is not None and rank != pair.rank:
            yield f"r is {rank} for {pair.module}, {pair.a} has rank {pair.rank}"
    modules = {pair.module for pair in pairs} or _holders(adapter)
    for key in _PATTERNS:
        if key == "rank_pattern" and is_adalora(config):
            continue
        # a pattern that no module follows is a misspelt one: what it was to change has the general value
        for pattern in config.get(key) or {}:
            if not any(matches(pattern, module) for module in modules):
                yield f"{key} names {pattern!r}, which no adapted module follows"
    tensors = canonical_names(adapter / WEIGHTS).values()
    for module in config.get("modules_to_save") or []:
        if not any(f".{module}." in name for name in tensors):
            yield f"modules_to_save names {module!r}, and no tensor is of it"


def _holders(adapter: Path) -> set[str]:
    """Every module that holds a tensor of the file, and what that lies in: those of methods other than LoRA's are among them."""
    names = [name.removeprefix(PREFIX).split(".") for name in canonical_names(adapter / WEIGHTS).values()]
    return {".".join(parts[:end]) for parts in names for end in range(1, len(parts))}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0

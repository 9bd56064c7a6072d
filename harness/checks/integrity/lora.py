"""The LoRA pairs of an adapter's file: the rank each has, and how large a change it is."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import AdapterError
from harness.models.adapters.expressions import REMEDY, endless_expression
from harness.models.adapters.files import WEIGHTS, adapter_headers, read_adapter_config
from harness.models.adapters.modules import StackedParameter, stacked_parameters
from harness.models.adapters.names import canonical_names
from harness.models.adapters.ranks import is_adalora, kept_ranks

_A = re.compile(r"^base_model\.model\.(?P<module>.+)\.lora_(?:embedding_)?A(?P<tail>(?:\.weight)?)$")


@dataclass(frozen=True)
class LoraPair:
    """One module's pair.

    Attributes:
        module: as PEFT's patterns see it: "model.layers.0.mlp.up_proj", or a parameter's name where that is adapted.
        a, b: names of the two tensors in the file.
        rank, rank_b: rank as A and as B have it, of one expert where they are stacked.
        experts: how many matrices the two change.
    """

    module: str
    a: str
    b: str
    rank: int
    rank_b: int
    experts: int = 1

    @property
    def kind(self) -> str:
        """The module's own name, the same in every layer: "up_proj"."""
        return self.module.rpartition(".")[2]


def lora_pairs(adapter: Path, base: Path | None = None, *, trust_remote_code: bool = False) -> list[LoraPair]:
    """Every A that has its B; what has none is the two-way match's to tell.

    Args:
        base: tells how many experts share a pair, where the adapter has `target_parameters`.

    Raises:
        AdapterError: the file is damaged.
    """
    headers = adapter_headers(adapter)
    names = {canonical: name for name, canonical in canonical_names(adapter / WEIGHTS).items()}
    stacked = stacked_parameters(adapter, base, trust_remote_code=trust_remote_code) if base is not None else {}
    pairs = []
    for canonical, a in sorted(names.items()):
        match = _A.match(canonical)
        b = names.get(f"B{match['tail']}".join(canonical.rsplit(f"A{match['tail']}", 1))) if match else None
        if match is not None and b is not None and min(len(headers[a].shape), len(headers[b].shape)) > 1:
            one = stacked.get(match["module"], StackedParameter(match["module"], 1))
            rows, columns = headers[a].shape[0], headers[b].shape[1]
            whole = one.experts if rows % one.experts == columns % one.experts == 0 else 1
            pairs.append(LoraPair(one.name, a, b, rows // whole, columns // whole, whole))
    if (endless := endless_expression(read_adapter_config(adapter), [pair.module for pair in pairs])) is not None:
        raise AdapterError(f"{adapter}: {endless} takes too long to match the modules of the file", REMEDY)
    return pairs


def scale_of(config: Mapping[str, Any], pair: LoraPair) -> float:
    """What B A is multiplied by: alpha/r, or alpha/sqrt(r) with rank-stabilised LoRA (https://arxiv.org/abs/2312.03732)."""
    alpha = float(by_pattern(config.get("alpha_pattern"), pair.module, config.get("lora_alpha", 8)))
    rank = config["init_r"] if is_adalora(config) else pair.rank
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def configured_rank(config: Mapping[str, Any], module: str) -> Any:
    """The rank that the configuration gives a module; None where it gives none."""
    if is_adalora(config):
        return kept_ranks(config.get("rank_pattern")).get(module, config["init_r"])
    return by_pattern(config.get("rank_pattern"), module, config.get("r"))


def by_pattern(patterns: object, module: str, default: Any) -> Any:
    """What a `rank_pattern` or `alpha_pattern` gives a module, by PEFT's rule: the first that is the name or its end."""
    for pattern, value in patterns.items() if isinstance(patterns, Mapping) else ():
        if matches(pattern, module):
            return value
    return default


def matches(pattern: str, module: str) -> bool:
    """Whether a pattern of `rank_pattern` or `alpha_pattern` takes a module (`peft.utils.other.get_pattern_key`).

    What is no regular expression takes none.
    """
    with contextlib.suppress(re.error):
        return re.match(rf"(.*\.)?({pattern})$", module) is not None
    return False

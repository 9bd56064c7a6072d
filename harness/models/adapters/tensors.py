"""Which tensors an adapter's configuration asks for on a base, held against those its file has."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, first_line
from harness.models.adapters.files import WEIGHTS
from harness.models.adapters.kind import read_peft_config, refuse_shared_tensors
from harness.models.adapters.names import PREFIX, canonical_names
from harness.models.adapters.weights import read_tensor_headers
from harness.models.quiet import quiet_loading

if TYPE_CHECKING:
    import torch

_SHOWN = 3
# peft.utils.other.EMBEDDING_LAYER_NAMES, and what GPT-2 and GPT-NeoX call them.
EMBEDDINGS = re.compile(r"\.(embed_tokens|lm_head|wte|embed_in|embed_out)\.")
_WEIGHT = re.compile(
    r"^base_model\.model\.(?P<module>.*(?:embed_tokens|lm_head|wte|embed_in|embed_out))(?:\.base_layer)?\.weight$"
)


@dataclass(frozen=True)
class TensorMatch:
    """The two-way match of file and model.

    Attributes:
        matched: tensors that fit.
        missing: the configuration puts them on this base, the file lacks them (PEFT would leave B at zero).
        unexpected: the file has them, no module takes them (PEFT would drop them silently).
        misshapen: tensor -> (shape in the file, shape this base needs).
        unmatched_targets: entries of target_modules that name no module of this base.
        copies: unchanged embeddings of this base, which PEFT saves along with some adapters; they are not needed.
        renamed: how many tensors go by names that PEFT does not use itself (`harness.models.adapters.names`).
    """

    matched: int
    missing: Sequence[str]
    unexpected: Sequence[str]
    misshapen: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    unmatched_targets: Sequence[str]
    copies: Sequence[str] = ()
    renamed: int = 0

    @property
    def holds(self) -> bool:
        """Whether every tensor has its module and every module its tensor."""
        return not (self.missing or self.unexpected or self.misshapen or self.unmatched_targets)

    @property
    def misfit_embeddings(self) -> list[str]:
        """Tensors of embeddings or of the head among those that do not fit."""
        return [name for name in (*self.unexpected, *self.misshapen) if EMBEDDINGS.search(name)]

    def describe(self) -> str:
        """What does not fit, naming the first few tensors of each kind."""
        shapes = [
            f"{name} is {list(have)}, the base needs {list(need)}" for name, (have, need) in self.misshapen.items()
        ]
        parts = [
            ("of another shape", shapes),
            ("missing from the file", self.missing),
            ("in the file without a module", self.unexpected),
            ("target_modules that match nothing", self.unmatched_targets),
        ]
        misfits = [f"{len(names)} {what}: {_some(names)}" for what, names in parts if names]
        return "; ".join(misfits) or f"all {self.matched} tensors have their module, and every module its tensors"


def match_tensors(adapter: Path, base: Path, *, trust_remote_code: bool = False) -> TensorMatch:
    """Hold an adapter's file against a base, from headers and configurations: of weights only embeddings are read.

    Tensors go by their names in PEFT's own form.

    Raises:
        AdapterError: PEFT cannot build it on this base at all.
    """
    headers, names = read_tensor_headers(adapter / WEIGHTS), canonical_names(adapter / WEIGHTS)
    present = {canonical: headers[name].shape for name, canonical in names.items()}
    wanted, unmatched = _wanted_tensors(adapter, base, trust_remote_code)
    common = present.keys() & wanted.keys()
    misshapen = {n: (present[n], wanted[n]) for n in sorted(common) if present[n] != wanted[n]}
    unexpected = present.keys() - wanted.keys()
    copies = _embedding_copies(adapter / WEIGHTS, {n: c for n, c in names.items() if c in unexpected}, base)
    return TensorMatch(
        matched=len(common) - len(misshapen),
        missing=sorted(wanted.keys() - present.keys()),
        unexpected=sorted(unexpected - set(copies)),
        misshapen=misshapen,
        unmatched_targets=unmatched,
        copies=copies,
        renamed=sum(name != canonical for name, canonical in names.items()),
    )


def _wanted_tensors(adapter: Path, base: Path, trust_remote_code: bool) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """Name -> shape of the tensors the configuration asks for, built on the meta device."""
    import torch
    from peft import get_peft_model, get_peft_model_state_dict
    from transformers import AutoConfig, AutoModelForCausalLM

    config = read_peft_config(adapter)
    targets = config.target_modules if hasattr(config, "target_modules") else None
    with quiet_loading(), torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            AutoConfig.from_pretrained(base, trust_remote_code=trust_remote_code), trust_remote_code=trust_remote_code
        )
        modules = [name for name, _ in model.named_modules()]
        try:
            wrapped = get_peft_model(model, config)
        except (ValueError, TypeError, KeyError, RuntimeError, AttributeError, re.error) as exc:
            raise AdapterError(
                f"{adapter} cannot be put on {base.name}: {first_line(exc)}",
                "pass the base it was trained for with --model; where PEFT names layers that take none, train again without them",
            ) from exc
    kept = {}
    if config.peft_type == "ADALORA":
        # PEFT would prune these tensors by their values, of which there are none here
        kept, wrapped.peft_config["default"].rank_pattern = kept_ranks(config.rank_pattern), None
    # PEFT's own choice of embeddings to save along asks the hub, and takes those of the base into account
    state = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    refuse_shared_tensors(adapter, state)
    wanted = _pruned_shapes({name: tuple(t.shape) for name, t in state.items()}, kept)
    return wanted, unmatched_targets(targets, modules)


def unmatched_targets(targets: object, modules: Sequence[str]) -> list[str]:
    """Entries of `target_modules` that are no module's name or name's end. PEFT is silent unless all are.

    A single string is a regular expression over whole names (PEFT's rule); "all-linear" always matches.
    """
    if isinstance(targets, str):
        with contextlib.suppress(re.error):
            if targets == "all-linear" or any(re.fullmatch(targets, name) for name in modules):
                return []
        return [targets]
    if not isinstance(targets, list | set | tuple):
        return []
    return sorted(t for t in targets if not any(name == t or name.endswith(f".{t}") for name in modules))


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def is_adalora(config: Mapping[str, Any]) -> bool:
    """Whether a configuration's ranks follow AdaLoRA's rules rather than LoRA's."""
    return config.get("peft_type") == "ADALORA" and isinstance(config.get("init_r"), int)


def kept_ranks(rank_pattern: object) -> dict[str, int]:
    """Module -> how many of its ranks were kept; empty where nothing was pruned, or what says so is malformed."""
    pattern = rank_pattern if isinstance(rank_pattern, Mapping) else {}
    return {name.removesuffix(".lora_E"): sum(kept) for name, kept in pattern.items() if isinstance(kept, list)}


def _pruned_shapes(shapes: Mapping[str, tuple[int, ...]], ranks: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors with the ranks that were kept: the second dimension of B, the first of A and E."""
    pruned = dict(shapes)
    for module, rank in ranks.items():
        for letter in "ABE":
            name = f"{PREFIX}{module}.lora_{letter}"
            if name in pruned:
                first, second = pruned[name]
                pruned[name] = (first, rank) if letter == "B" else (rank, second)
    return pruned


def _embedding_copies(weights: Path, names: Mapping[str, str], base: Path) -> list[str]:
    """Names, in PEFT's own form, of tensors that are the base's embeddings value for value, in the copy's precision.

    Args:
        names: of the tensors to look at: in the file -> in PEFT's own form.
    """
    asked = {name: match["module"] for name, canonical in names.items() if (match := _WEIGHT.match(canonical))}
    if not asked:
        return []
    import torch
    from safetensors import safe_open

    found = []
    with safe_open(weights, framework="pt") as file:
        for name, module in asked.items():
            own, copy = _base_weight(base, module), file.get_tensor(name)
            if own is not None and own.shape == copy.shape and torch.equal(own.to(copy.dtype), copy):
                found.append(names[name])
    return sorted(found)


def _base_weight(base: Path, module: str) -> torch.Tensor | None:
    """A module's weight out of the base's files; of a tied head, that of the embeddings. None where there is none."""
    from safetensors import safe_open

    for wanted in (f"{module}.weight", "model.embed_tokens.weight" if module == "lm_head" else None):
        for path in sorted(base.glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                if wanted in file.keys():  # noqa: SIM118
                    weight: torch.Tensor = file.get_tensor(wanted)
                    return weight
    return None

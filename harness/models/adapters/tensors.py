"""Which tensors an adapter's configuration asks for on a base, held against those its file has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import some_of
from harness.models.adapters.files import CONFIG, WEIGHTS, adapter_headers, read_adapter_config
from harness.models.adapters.misfit import Diagnosis, Misfits, diagnose
from harness.models.adapters.names import EXPERT, canonical_names
from harness.models.adapters.placing import CONVERTED, as_peft_loads, hollow, placing, put_on_skeleton

if TYPE_CHECKING:
    import torch

_SHOWN = 3
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
        converted: how many PEFT loads under another name, or joined with others (experts saved one by one).
        separate_experts: the file holds experts one by one.
        shapes: of every tensor of either side, by name.
        modules: names of the base's modules.
        config: the adapter's.
    """

    matched: int
    missing: Sequence[str]
    unexpected: Sequence[str]
    misshapen: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    unmatched_targets: Sequence[str]
    copies: Sequence[str] = ()
    renamed: int = 0
    converted: int = 0
    separate_experts: bool = False
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    modules: Sequence[str] = ()
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every tensor has its module and every module its tensor."""
        return not (self.missing or self.unexpected or self.misshapen or self.unmatched_targets)

    @cached_property
    def diagnosis(self) -> Diagnosis | None:
        """Why it does not fit; None where it does."""
        if self.holds:
            return None
        missing, unexpected = ({name: self.shapes[name] for name in names} for names in (self.missing, self.unexpected))
        separate = self.separate_experts
        return diagnose(
            Misfits(missing, unexpected, self.misshapen, self.unmatched_targets, self.modules, self.config, separate)
        )

    @property
    def notes(self) -> list[str]:
        """What was taken otherwise than it is written, for people."""
        task, dropout = self.config.get("task_type"), self.config.get("lora_dropout")
        found = []
        if task == "SEQ_2_SEQ_LM":
            found.append(
                f"warning, {CONFIG} says task_type {task!r} and the base is a decoder: taken as 'CAUSAL_LM', which it "
                "should say"
            )
        if self.converted:
            found.append(f"{self.converted} tensors of the file go by the names and layout of an older transformers")
            if dropout and any(".experts" in name for name in self.shapes):
                found.append(f"warning, PEFT itself loads them once {CONFIG} says lora_dropout 0 (it says {dropout:g})")
        return found

    def describe(self) -> str:
        """What does not fit, naming the first few tensors of each kind."""
        shapes = [
            f"{name} is {list(have)}, the base needs {list(need)}" for name, (have, need) in self.misshapen.items()
        ]
        parts = [
            ("of another shape", shapes),
            ("missing from the file", self.missing),
            ("in the file without a module", self.unexpected),
            ("targets that match nothing", self.unmatched_targets),
        ]
        misfits = [f"{len(names)} {what}: {some_of(names, _SHOWN)}" for what, names in parts if names]
        if self.diagnosis is not None:
            return f"{self.diagnosis.shown_by} ({'; '.join(misfits)})"
        return "; ".join([f"all {self.matched} tensors have their module, and every module its tensors", *self.notes])


def match_tensors(adapter: Path, base: Path, *, trust_remote_code: bool = False) -> TensorMatch:
    """Hold an adapter's file against a base, from headers and configurations: of weights only embeddings are read.

    Tensors go by their names in PEFT's own form, after the conversion that PEFT itself makes on loading: of names of
    older transformers, and of experts that were saved one by one.

    Raises:
        AdapterError: PEFT cannot build it on this base at all.
        ModelError: transformers cannot build the base.
    """
    headers, names = adapter_headers(adapter), canonical_names(adapter / WEIGHTS)
    wrapped, wanted, unmatched = put_on_skeleton(adapter, base, trust_remote_code=trust_remote_code)
    stored = {canonical: headers[name].shape for name, canonical in names.items()}
    with placing(adapter, base, CONVERTED):
        loaded = as_peft_loads(wrapped, hollow(stored))
    present = {name: tuple(tensor.shape) for name, tensor in loaded.items()}
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
        converted=len(stored.keys() - present.keys()),
        separate_experts=any(map(EXPERT.search, stored)),
        shapes={**wanted, **present},
        modules=[name for name, _ in wrapped.get_base_model().named_modules()],
        config=read_adapter_config(adapter),
    )


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

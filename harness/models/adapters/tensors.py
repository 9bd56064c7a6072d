"""Which tensors an adapter's configuration asks for on a base, held against those its file has."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, first_line
from harness.models.adapters.files import CONFIG, WEIGHTS, adapter_headers, read_adapter_config
from harness.models.adapters.kind import read_peft_config
from harness.models.adapters.misfit import Diagnosis, Misfits, diagnose
from harness.models.adapters.names import EXPERT, PREFIX, canonical_names
from harness.models.architecture import skeleton, with_weights
from harness.models.quiet import quiet_loading
from harness.models.virtual_tokens import take_sizes

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel

_SHOWN = 3
# What torch raises where values are asked for that the meta device has not.
_ON_META = re.compile(r"(?<![a-z])meta(?![a-z])", re.IGNORECASE)
_AS_SAVED = (
    "pass the base it was trained for with --model, or save it again with the PEFT version in use; where PEFT names layers that "
    "take none, train again without them"
)
_CONVERTED = (
    "this transformers joins what it was trained on (experts, gate_proj and up_proj), and PEFT converts such adapters only "
    "whole, with all that is joined adapted alike: save it again complete, or train it on the base as this transformers has it"
)
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
        misfits = [f"{len(names)} {what}: {_some(names)}" for what, names in parts if names]
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
    with _placing(adapter, base, _CONVERTED):
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


def put_on_skeleton(
    adapter: Path, base: Path, *, trust_remote_code: bool = False
) -> tuple[PeftModel, dict[str, tuple[int, ...]], list[str]]:
    """The adapter put on the base without weights, the tensors this asks for, and targets that name nothing of it.

    Raises:
        AdapterError: PEFT cannot build it on this base at all.
        ModelError: transformers cannot build the base.
    """
    import torch
    from peft import get_peft_model_state_dict
    from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers

    config = read_peft_config(adapter)
    model = skeleton(base, trust_remote_code=trust_remote_code)
    modules, parameters = ([name for name, _ in named()] for named in (model.named_modules, model.named_parameters))
    with quiet_loading(), torch.device("meta"), _placing(adapter, base):
        # a copy, to see what PEFT makes of targets that this transformers has under other names
        placed = copy.deepcopy(config)
        with _placing(adapter, base, _CONVERTED):
            convert_peft_config_for_transformers(placed, model, None)
        targets = getattr(placed, "target_modules", None)
        if config.is_adaption_prompt:
            targets = [targets]  # a name's end, where other methods read an expression
        unmatched = unmatched_targets(targets, modules)
        unmatched += _unmatched_parameters(getattr(config, "target_parameters", None), parameters)
    with _placing(adapter, base):
        wrapped = _wrapped(config, model, base, trust_remote_code=trust_remote_code)
    kept = {}
    if config.peft_type == "ADALORA":
        # PEFT would prune these tensors by their values, of which there are none here
        kept, wrapped.peft_config["default"].rank_pattern = kept_ranks(config.rank_pattern), None
    # PEFT's own choice of embeddings to save along asks the hub, and takes those of the base into account
    state = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    return wrapped, _pruned_shapes({name: tuple(t.shape) for name, t in state.items()}, kept), unmatched


def _wrapped(config: PeftConfig, model: Any, base: Path, *, trust_remote_code: bool) -> PeftModel:
    """The adapter on a base without weights; on its weights where PEFT makes tensors by them (SHiRA, FRoD, AdaMSS)."""
    import torch
    from peft import get_peft_model

    config = copy.deepcopy(config)
    with quiet_loading():
        # what PEFT draws for itself may need values, though the base needs none
        for drawn_on in ("meta", "cpu"):
            if drawn_on == "cpu":  # what failed may have changed the other
                model = skeleton(base, trust_remote_code=trust_remote_code)
            if config.is_prompt_learning:
                take_sizes(config, model)
            try:
                with torch.device(drawn_on):
                    return get_peft_model(model, copy.deepcopy(config))
            except RuntimeError as exc:
                if not _ON_META.search(str(exc)):
                    raise
        return get_peft_model(with_weights(base, trust_remote_code=trust_remote_code), copy.deepcopy(config))


def as_peft_loads(model: PeftModel, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors by PEFT's names, after its own conversion to the layout of the transformers in use.

    Args:
        model: with the adapter on it.
    """
    from peft.utils.transformers_weight_conversion import convert_peft_adapter_state_dict_for_transformers

    config = model.peft_config["default"]
    converted: dict[str, torch.Tensor] = convert_peft_adapter_state_dict_for_transformers(model, config, dict(tensors))
    return converted


def hollow(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """Tensors of these shapes, without values."""
    import torch

    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


@contextlib.contextmanager
def _placing(adapter: Path, base: Path, remedy: str = _AS_SAVED) -> Iterator[None]:
    """What PEFT raises where it cannot put an adapter on a base, as an AdapterError."""
    try:
        yield
    except (ValueError, TypeError, KeyError, RuntimeError, AttributeError, IndexError, ImportError, re.error) as exc:
        raise AdapterError(
            f"{adapter} cannot be put on {base.name}: {first_line(exc)}",
            remedy,
        ) from exc


def _unmatched_parameters(targets: Sequence[str] | None, parameters: Sequence[str]) -> list[str]:
    """Entries of `target_parameters` that are no parameter's name or name's end."""
    return sorted(t for t in targets or () if not any(n == t or n.endswith(f".{t}") for n in parameters))


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

"""An adapter put on a base by PEFT, without the weights of either: which tensors that takes."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, first_line
from harness.models.adapters.expressions import REMEDY, endless_expression
from harness.models.adapters.kind import read_peft_config
from harness.models.adapters.ranks import kept_ranks, pruned_shapes
from harness.models.architecture import skeleton, with_weights
from harness.models.quiet import quiet_loading
from harness.models.virtual_tokens import take_sizes

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig, PeftModel

# What torch raises where values are asked for that the meta device has not.
_RAISED_BY_PEFT = (
    ValueError, TypeError, LookupError, RuntimeError, AttributeError, ImportError, ArithmeticError, AssertionError
)  # fmt: skip
_ON_META = re.compile(r"(?<![a-z])meta(?![a-z])", re.IGNORECASE)
_AS_SAVED = (
    "pass the base it was trained for with --model, or save it again with the PEFT version in use; where PEFT names layers that "
    "take none, train again without them"
)
_AS_CONFIGURED = (
    "restore the adapter_config.json that was saved with these weights, or save it again with the PEFT version in use; where "
    "PEFT names layers that take none, train again without them"
)
CONVERTED = (
    "this transformers joins what it was trained on (experts, gate_proj and up_proj), and PEFT converts such adapters only "
    "whole, with all that is joined adapted alike: save it again complete, or train it on the base as this transformers has it"
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
    if (endless := endless_expression(config.to_dict(), modules)) is not None:
        raise AdapterError(
            f"{adapter} cannot be put on {base.name}: {endless} takes too long to match its modules", REMEDY
        )
    with quiet_loading(), torch.device("meta"), placing(adapter, base):
        # a copy, to see what PEFT makes of targets that this transformers has under other names
        placed = copy.deepcopy(config)
        with placing(adapter, base, CONVERTED):
            convert_peft_config_for_transformers(placed, model, None)
        targets = getattr(placed, "target_modules", None)
        if config.is_adaption_prompt:
            targets = [targets]  # a name's end, where other methods read an expression
        unmatched = unmatched_targets(targets, modules)
        unmatched += _unmatched_parameters(getattr(config, "target_parameters", None), parameters)
    # what names modules of this base was made for it: what PEFT refuses then is the configuration
    with placing(adapter, base, _AS_SAVED if unmatched else _AS_CONFIGURED):
        wrapped = _wrapped(config, model, base, trust_remote_code=trust_remote_code)
    kept = {}
    if config.peft_type == "ADALORA":
        # PEFT would prune these tensors by their values, of which there are none here
        kept, wrapped.peft_config["default"].rank_pattern = kept_ranks(config.rank_pattern), None
    # PEFT's own choice of embeddings to save along asks the hub, and takes those of the base into account
    state = get_peft_model_state_dict(wrapped, save_embedding_layers=False)
    return wrapped, pruned_shapes({name: tuple(t.shape) for name, t in state.items()}, kept), unmatched


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
def placing(adapter: Path, base: Path, remedy: str = _AS_SAVED) -> Iterator[None]:
    """What PEFT raises where it cannot put an adapter on a base, as an AdapterError."""
    try:
        yield
    except (*_RAISED_BY_PEFT, re.error) as exc:
        raise AdapterError(
            f"{adapter} cannot be put on {base.name}: {first_line(exc)}",
            _AS_CONFIGURED if isinstance(exc, TypeError | OverflowError | re.error) else remedy,
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

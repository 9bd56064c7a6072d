"""Loading the base once, and the adapter onto it so that it can be switched on and off."""

from __future__ import annotations

import contextlib
import gc
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, ModelError, first_line
from harness.models.adapters.biases import Bias, biases_of, put_back
from harness.models.adapters.files import CONFIG, check_adapter_files
from harness.models.adapters.kind import read_peft_config
from harness.models.adapters.methods import ON_DENSE_WEIGHTS, Method, method_of
from harness.models.adapters.names import as_peft_writes
from harness.models.adapters.tensors import match_tensors
from harness.models.architecture import auto_class, check_reads_text_alone, read_base_config, unreadable
from harness.models.probing import PlainBase, ask_plain_base
from harness.models.quantization import disable_cpu_inference_repack, nf4_config, quantizable_layers, round_to_nf4
from harness.models.quiet import quiet_loading
from harness.models.stored_quantization import check_loader, stored_quantization
from harness.models.virtual_tokens import with_virtual_tokens

if TYPE_CHECKING:
    import torch
    from torch import nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


_DENSE = "measure with --quantization=none, and serve it so; or train it as LoRA, which PEFT has on packed weights"
_BY_BITSANDBYTES = {"bitsandbytes-nf4": "nf4", "bitsandbytes-int8": "int8"}


@dataclass(frozen=True)
class LoadOptions:
    """How to load: `dtype` and `device` are resolved names, never "auto".

    Attributes:
        allowed_files: files beside an adapter that are no reason to refuse it, though they could run code.
        chat_template: text of a template in place of the model's own, and `template_args` what else it is given.
    """

    dtype: str
    device: str
    quantization: str = "none"
    trust_remote_code: bool = False
    allowed_files: Sequence[str] = ()
    chat_template: str | Mapping[str, str] | None = None
    template_args: Mapping[str, Any] = field(default_factory=dict)


_OF_WEIGHTS = frozenset({"model", "rounded_layers", "biases"})


@dataclass
class LoadedModel:
    """One model in memory, with at most one adapter on it.

    Attributes:
        model: in eval mode, without gradients; with an adapter a PeftModel, or what behaves as one.
        quantization: of the base: "none", "nf4" or "int8".
        rounded_layers: of an NF4 base that is computed densely, the layers whose weights were rounded to NF4.
        plain: what the base answered before the adapter was put on it; None without an adapter.
        biases: those of the base that were trained with the adapter.
        reload: loads it again once it was released, which then happens when it is next used.
        method: the adapter's.
        reserved_tokens: positions that virtual tokens take of every text's.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    has_adapter: bool = False
    quantization: str = "none"
    rounded_layers: Sequence[nn.Module] = field(default_factory=tuple)
    plain: PlainBase | None = None
    biases: Sequence[Bias] = field(default_factory=tuple)
    method: Method | None = None
    reserved_tokens: int = 0
    reload: Callable[[], LoadedModel] | None = None

    @property
    def is_released(self) -> bool:
        """Whether its weights are not in memory now."""
        return "model" not in self.__dict__

    def release(self) -> None:
        """Give back the memory of the weights, until they are next used."""
        import torch

        for name in _OF_WEIGHTS & self.__dict__.keys():
            del self.__dict__[name]
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What was released, loaded again."""
            if name not in _OF_WEIGHTS or self.reload is None:
                raise AttributeError(name)
            self.__dict__.update({**self.reload().__dict__, "reload": self.reload})
            return self.__dict__[name]

    @property
    def invocation(self) -> Sequence[int]:
        """Tokens without which the adapter does nothing."""
        return self.method.invocation if self.method is not None else ()

    @contextlib.contextmanager
    def adapter(self, *, on: bool) -> Iterator[Any]:
        """The model with its adapter on or off."""
        if on and not self.has_adapter:
            raise ModelError("no adapter is attached", "pass --adapter")
        if on or not self.has_adapter:
            yield self.model
        else:
            with contextlib.ExitStack() as off:
                with warnings.catch_warnings():
                    warnings.filterwarnings(
                        "ignore", "Careful, disabling adapter layers with bias"
                    )  # they are put back
                    off.enter_context(self.model.disable_adapter())
                off.enter_context(put_back(self.biases))
                yield self.model


def load_model(base: Path, options: LoadOptions, *, adapter: Path | None = None) -> LoadedModel:
    """Load a base model and, if given, put the adapter on it."""
    import torch

    if adapter is not None:
        check_adapter_files(adapter, allowed=options.allowed_files)
    model = load_base(base, options)
    tokenizer = load_tokenizer(base, options)
    rounded = list(quantizable_layers(model)) if options.quantization == "nf4" else []  # none where they are packed
    model.eval().requires_grad_(False)
    quantization = _BY_BITSANDBYTES.get(stored_quantization(base), options.quantization)
    loaded = LoadedModel(
        model, tokenizer, torch.device(options.device), quantization=quantization, rounded_layers=rounded
    )
    if adapter is None:
        return loaded
    method = method_of(read_peft_config(adapter))
    plain, biases = ask_plain_base(model, tokenizer, after=method.invocation), biases_of(model)
    peft_model = attach_adapter(model, adapter, base, trust_remote_code=options.trust_remote_code)
    peft_model.eval().requires_grad_(False)
    trained = [bias for bias in biases if bias.is_changed]
    return replace(
        loaded,
        model=with_virtual_tokens(peft_model),
        has_adapter=True,
        plain=plain,
        biases=trained,
        method=method,
        reserved_tokens=method.virtual_tokens,
    )


def load_tokenizer(
    base: Path, options: LoadOptions | None = None, *, trust_remote_code: bool = False
) -> PreTrainedTokenizerBase:
    """The model's tokenizer, with a pad token (its EOS where it has none).

    Args:
        options: of which the template, its arguments and `trust_remote_code` count.
    """
    from transformers import AutoTokenizer

    try:
        trusted = trust_remote_code or (options is not None and options.trust_remote_code)
        tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=trusted)
    except unreadable() as exc:
        raise ModelError(
            f"no tokenizer could be read from {base}: {first_line(exc)}", "add tokenizer.json to it"
        ) from exc
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if options is not None and options.chat_template is not None:
        own = options.chat_template
        tokenizer.chat_template = own if isinstance(own, str) else dict(own)
    if options is not None and options.template_args:
        tokenizer.apply_chat_template = partial(tokenizer.apply_chat_template, **options.template_args)
    return tokenizer


def attach_adapter(model: PreTrainedModel, adapter: Path, base: Path, *, trust_remote_code: bool = False) -> Any:
    """Put a checked adapter on `model`, all of it or not at all.

    PEFT loads what fits and stays silent, or nearly so, about the rest: here every tensor must have
    its module and every module its tensors.

    Raises:
        AdapterError: it does not fit; the message says which tensors or modules.
    """
    from peft import PeftModel

    config = read_peft_config(adapter)
    if getattr(config, "use_dora", False) and getattr(model, "is_loaded_in_8bit", False) and model.device.type == "cpu":
        raise AdapterError(
            f"{adapter} is a DoRA adapter, which PEFT cannot compute on an int8 base on a CPU (it loses the scales)",
            "measure with --quantization=none or --quantization=nf4, or on a GPU",
        )
    match = match_tensors(adapter, base, trust_remote_code=trust_remote_code)
    if match.diagnosis is not None:
        raise AdapterError(
            f"{adapter} does not fit the base {base.name}: {match.describe()}",
            match.diagnosis.remedy,
        )
    kind = config.peft_type.value
    if kind in ON_DENSE_WEIGHTS and not all(weight.is_floating_point() for weight in model.parameters()):
        raise AdapterError(
            f"{adapter} is of peft_type {kind!r}, which computes with the base's weights, and those of this base are packed "
            "integers",
            _DENSE,
        )
    try:
        with quiet_loading(), as_peft_writes(adapter, without=match.copies) as directory:
            adapted = PeftModel.from_pretrained(model, directory, is_trainable=False, config=config)
    except (ValueError, TypeError, NotImplementedError, AttributeError) as exc:
        # it fits the base as it was saved: what PEFT has no layer for is how the base was loaded
        raise AdapterError(
            f"PEFT cannot put {adapter} (peft_type {kind!r}) on this base as it was loaded: {first_line(exc)}", _DENSE
        ) from exc
    if config.peft_type == "POLY":
        adapted.register_forward_pre_hook(_name_only_task, with_kwargs=True)
    return adapted


def _name_only_task(model: Any, positional: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Poly wants the number of its task with every text; it has one (see `read_peft_config`)."""
    import torch

    ids = named["input_ids"]
    return positional, {**named, "task_ids": torch.zeros(len(ids), dtype=torch.long, device=ids.device)}


def load_base(base: Path, options: LoadOptions, *, trainable: bool = False, scores: bool = False) -> PreTrainedModel:
    """Load a base model without an adapter.

    Args:
        scores: with a new head that gives a text one score, in place of the one that continues it.
        trainable: keep NF4 weights packed, as QLoRA trains on them, on every device. Otherwise they make the
            round trip to dense weights where there are no fast kernels for them: on CPUs these run at a third
            of dense speed.

    Raises:
        ModelError: it cannot be loaded, or writes no text.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, BitsAndBytesConfig

    if (base / CONFIG).is_file():
        raise ModelError(
            f"{base} holds {CONFIG} beside the model: transformers would put that adapter on it, so it would not be the base",
            "keep the adapter in a directory of its own; where it was merged into the model, delete its files there",
        )
    is_stored_quantized = check_loader(base, quantization=options.quantization, device=options.device)
    config = read_base_config(base, trust_remote_code=options.trust_remote_code)
    loader = auto_class(config, trust_remote_code=options.trust_remote_code)
    if scores:
        loader = AutoModelForSequenceClassification
    arguments: dict[str, Any] = {
        **({"num_labels": 1} if scores else {}),
        "dtype": getattr(torch, options.dtype),
        "trust_remote_code": options.trust_remote_code,
        "use_safetensors": True,
    }
    packed_nf4 = options.quantization == "nf4" and (trainable or options.device.startswith("cuda"))
    if options.quantization == "int8":
        arguments["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)
    elif packed_nf4:
        arguments["quantization_config"] = nf4_config(arguments["dtype"])
    is_packed = is_stored_quantized or "quantization_config" in arguments
    if is_packed:
        arguments["device_map"] = {"": options.device}
    try:
        with quiet_loading():
            model: PreTrainedModel = loader.from_pretrained(base, **arguments)
    except unreadable() as exc:
        raise ModelError(
            f"{base} cannot be loaded: {first_line(exc)}",
            "check that the directory is a complete causal language model; code from the model's repository runs only "
            "with --trust-remote-code",
        ) from exc
    if packed_nf4 or is_stored_quantized:
        disable_cpu_inference_repack(model)  # before anything is computed
    elif options.quantization == "nf4":
        round_to_nf4(quantizable_layers(model))
    model = model if is_packed else model.to(options.device)
    if loader is not AutoModelForCausalLM and not scores:
        check_reads_text_alone(model, base)
    return model

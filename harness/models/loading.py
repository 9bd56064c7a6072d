"""Loading the base once, and the adapter onto it so that it can be switched on and off."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, ModelError, first_line
from harness.models.adapters.biases import biases_of, put_back
from harness.models.adapters.files import CONFIG, check_adapter_files
from harness.models.adapters.kind import read_peft_config
from harness.models.adapters.methods import ON_DENSE_WEIGHTS, Method, method_of
from harness.models.adapters.names import as_peft_writes
from harness.models.adapters.tensors import match_tensors
from harness.models.architecture import auto_class, check_reads_text_alone, read_base_config, unreadable
from harness.models.in_memory import Held, Weights
from harness.models.probing import PlainBase, ask_plain_base
from harness.models.quantization import bitsandbytes_config, disable_cpu_inference_repack, has_packed_weights, unpack
from harness.models.quiet import quiet_loading
from harness.models.stored_quantization import as_computed, check_loader, is_by_bitsandbytes, stored_quantization
from harness.models.virtual_tokens import with_virtual_tokens

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

_DENSE = "measure with --quantization=none, and serve it so; or train it as LoRA, which PEFT has on packed weights"
_WEIGHT_ONLY = "%s is computed with dense weights here (%s); on a GPU bitsandbytes rounds activations too"


@dataclass(frozen=True)
class LoadOptions:
    """How to load: `dtype` and `device` are resolved names, never "auto".

    Attributes:
        allowed_files: files beside an adapter that are no reason to refuse it, though they could run code.
        chat_template: text of a template in place of the model's own, and `template_args` what else it is given.
        decoding: rules that greedy answers are decoded by, as `serving: decoding:` states them.
    """

    dtype: str
    device: str
    quantization: str = "none"
    trust_remote_code: bool = False
    allowed_files: Sequence[str] = ()
    chat_template: str | Mapping[str, str] | None = None
    template_args: Mapping[str, Any] = field(default_factory=dict)
    decoding: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadedModel:
    """One model, with at most one adapter on it.

    Attributes:
        weights: what of it takes memory.
        plain: what the base answered before the adapter was put on it; None without an adapter.
        method: the adapter's.
        reserved_tokens: positions that virtual tokens take of every text's.
        decoding: rules that its greedy answers are decoded by.
        hindrances: what an engine found when it tried its ways of computing on this model; see `fitting_strategy`.
    """

    weights: Held
    tokenizer: PreTrainedTokenizerBase
    device: torch.device
    has_adapter: bool = False
    plain: PlainBase | None = None
    method: Method | None = None
    reserved_tokens: int = 0
    decoding: Mapping[str, Any] = field(default_factory=dict)
    hindrances: dict[Hashable, str | None] = field(default_factory=dict)

    def in_memory(self) -> Weights:
        """The model itself, loaded again where it had to give way to another; who keeps it keeps its memory."""
        return self.weights.get()

    @property
    def invocation(self) -> Sequence[int]:
        """Tokens without which the adapter does nothing."""
        return self.method.invocation if self.method is not None else ()

    @contextlib.contextmanager
    def adapter(self, *, on: bool) -> Iterator[Any]:
        """The model with its adapter on or off."""
        if on and not self.has_adapter:
            raise ModelError("no adapter is attached", "pass --adapter")
        weights = self.in_memory()
        if on or not self.has_adapter:
            yield weights.model
        else:
            with contextlib.ExitStack() as off:
                with warnings.catch_warnings():
                    warnings.filterwarnings(
                        "ignore", "Careful, disabling adapter layers with bias"
                    )  # they are put back
                    off.enter_context(weights.model.disable_adapter())
                off.enter_context(put_back(weights.biases))
                yield weights.model


def load_model(base: Path, options: LoadOptions, *, adapter: Path | None = None) -> LoadedModel:
    """Load a base model and, if given, put the adapter on it."""
    import torch

    if adapter is not None:
        check_adapter_files(adapter, allowed=options.allowed_files)
    model = load_base(base, options)
    tokenizer = load_tokenizer(base, options)
    model.eval().requires_grad_(False)
    device = torch.device(options.device)
    if adapter is None:
        return LoadedModel(Held(Weights(model)), tokenizer, device, decoding=options.decoding)
    method = method_of(read_peft_config(adapter))
    plain, biases = ask_plain_base(model, tokenizer, after=method.invocation), biases_of(model)
    peft_model = attach_adapter(model, adapter, base, trust_remote_code=options.trust_remote_code)
    peft_model.eval().requires_grad_(False)
    trained = [bias for bias in biases if bias.is_changed]
    return LoadedModel(
        Held(Weights(with_virtual_tokens(peft_model), trained)),
        tokenizer,
        device,
        has_adapter=True,
        plain=plain,
        method=method,
        reserved_tokens=method.virtual_tokens,
        decoding=options.decoding,
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


def attach_adapter(
    model: PreTrainedModel, adapter: Path, base: Path, *, trust_remote_code: bool = False, trainable: bool = False
) -> Any:
    """Put a checked adapter on `model`, all of it or not at all.

    PEFT loads what fits and stays silent, or nearly so, about the rest: here every tensor must have
    its module and every module its tensors.

    Raises:
        AdapterError: it does not fit; the message says which tensors or modules.
    """
    from peft import PeftModel

    config = read_peft_config(adapter)
    match = match_tensors(adapter, base, trust_remote_code=trust_remote_code)
    if match.diagnosis is not None:
        raise AdapterError(
            f"{adapter} does not fit the base {base.name}: {match.describe()}",
            match.diagnosis.remedy,
        )
    kind = config.peft_type.value
    if kind in ON_DENSE_WEIGHTS and has_packed_weights(model):
        raise AdapterError(
            f"{adapter} is of peft_type {kind!r}, which computes with the base's weights, and those of this base are packed "
            "integers",
            _DENSE,
        )
    try:
        with quiet_loading(), as_peft_writes(adapter, without=match.copies) as directory:
            adapted = PeftModel.from_pretrained(model, directory, is_trainable=trainable, config=config)
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
        trainable: keep the weights that bitsandbytes packs as they are, as QLoRA trains on them. Otherwise they are
            packed on GPUs alone, and elsewhere computed with dense (see `unpack`).

    Raises:
        ModelError: it cannot be loaded, or writes no text.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    if (base / CONFIG).is_file():
        raise ModelError(
            f"{base} holds {CONFIG} beside the model: transformers would put that adapter on it, so it would not be the base",
            "keep the adapter in a directory of its own; where it was merged into the model, delete its files there",
        )
    quantization = stored_quantization(base) or options.quantization
    check_loader(base, quantization=options.quantization, device=options.device)
    config = read_base_config(base, trust_remote_code=options.trust_remote_code)
    loader = auto_class(config, trust_remote_code=options.trust_remote_code)
    if scores:
        loader = AutoModelForSequenceClassification
    dtype = getattr(torch, options.dtype)
    unpacks = is_by_bitsandbytes(quantization) and not (trainable or options.device.startswith("cuda"))
    arguments: dict[str, Any] = {
        **({"num_labels": 1} if scores else {}),
        "dtype": dtype,
        "trust_remote_code": options.trust_remote_code,
        "use_safetensors": True,
    }
    if options.quantization != "none":
        arguments["quantization_config"] = bitsandbytes_config(options.quantization, dtype)
    if quantization != "none":
        # a device and not its name: what is named "cpu" transformers takes for offloaded, and not packed in the files
        arguments["device_map"] = {"": torch.device("cpu" if unpacks else options.device)}
    try:
        with quiet_loading():
            model: PreTrainedModel = loader.from_pretrained(base, **arguments)
    except unreadable() as exc:
        raise ModelError(
            f"{base} cannot be loaded: {first_line(exc)}",
            "check that the directory is a complete causal language model; code from the model's repository runs only "
            "with --trust-remote-code",
        ) from exc
    if unpacks:
        unpack(model, dtype)
        if (told := as_computed(quantization, options.device)) != quantization:
            log.info(_WEIGHT_ONLY, base.name, told)
    elif quantization != "none":
        disable_cpu_inference_repack(model)  # before anything is computed
    model = model.to(options.device) if unpacks or quantization == "none" else model
    if loader is not AutoModelForCausalLM and not scores:
        check_reads_text_alone(model, base)
    return model

"""What a base is built of, by its configuration alone: which class loads it, and which of its modules text reaches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import ModelError, first_line
from harness.models.quiet import quiet_loading

# Ordinary tokens of every vocabulary seen, behind the special ones at its start.
_FIRST_TOKEN = 30
# Of their logits' standard deviation: bfloat16 stays within 0.02.
_MOST_DIFFERENCE = 0.1


def unreadable(*further: type[Exception]) -> tuple[type[Exception], ...]:
    """What transformers raises on files that it cannot make sense of."""
    from huggingface_hub.errors import StrictDataclassError

    own = (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError, RuntimeError, StrictDataclassError)
    return (*own, *further)


def read_base_config(base: Path, *, trust_remote_code: bool = False) -> Any:
    """The base's configuration as transformers reads it.

    Raises:
        ModelError: it cannot.
    """
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(base, trust_remote_code=trust_remote_code)
    except unreadable() as exc:
        raise ModelError(
            f"transformers cannot read {base / 'config.json'}: {first_line(exc)}",
            "pass a model that the installed transformers knows; code from the model's repository runs only with "
            "--trust-remote-code",
        ) from exc


def auto_class(config: Any, *, trust_remote_code: bool = False) -> Any:
    """The class of transformers that continues texts with such a base.

    What it loads as a causal language model is loaded so. Other models that take images along with a text are loaded
    whole, and given texts alone: their language model then computes what it would by itself, under the names that
    adapters trained on it have (`check_reads_text_alone` holds them to it).

    Raises:
        ModelError: there is no such class, or it is an encoder with a decoder.
    """
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    remote = trust_remote_code and "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    if remote or type(config) in AutoModelForCausalLM._model_mapping:
        return AutoModelForCausalLM
    if type(config) in AutoModelForImageTextToText._model_mapping and not config.is_encoder_decoder:
        return AutoModelForImageTextToText
    kind = "an encoder with a decoder" if config.is_encoder_decoder else "no causal language model"
    raise ModelError(
        f"the base is of model type {config.model_type!r}, {kind}: transformers has no class that continues a text with it",
        "pass a model that writes text by itself with --model, such as the language model that it was built on",
    )


def check_reads_text_alone(model: Any, base: Path) -> None:
    """Refuse a model of images and text that needs an image, or whose first tokens see those after them (PaliGemma).

    Raises:
        ModelError: it is one.
    """
    import torch

    ids = torch.arange(_FIRST_TOKEN, _FIRST_TOKEN + 8, device=model.device)[None]
    refused = ModelError(
        f"the base {base.name} is an image-text model ({model.config.model_type}) that does not continue a text by itself, "
        "token after token",
        "pass the language model that it was built on with --model, and an adapter trained on that",
    )
    try:
        with torch.no_grad():
            whole, start = (
                model(input_ids=ids[:, :length], use_cache=False).logits[:, :4].float() for length in (8, 4)
            )
    except (ValueError, TypeError, AttributeError, RuntimeError, KeyError) as exc:
        raise refused from exc
    if (whole - start).abs().max() > _MOST_DIFFERENCE * whole.std():
        raise refused


def skeleton(base: Path, *, trust_remote_code: bool = False) -> Any:
    """The base without weights, on the meta device.

    Raises:
        ModelError: transformers cannot build it.
    """
    import torch

    config = read_base_config(base, trust_remote_code=trust_remote_code)
    loader = auto_class(config, trust_remote_code=trust_remote_code)
    try:
        with quiet_loading(), torch.device("meta"):
            return loader.from_config(config, trust_remote_code=trust_remote_code)
    except unreadable(AssertionError) as exc:
        raise ModelError(
            f"transformers cannot build the base {base.name} ({config.model_type}): {first_line(exc)}",
            "install the library that it names" if isinstance(exc, ImportError) else "correct its config.json",
        ) from exc


def with_weights(base: Path, *, trust_remote_code: bool = False) -> Any:
    """The base as it was saved, on the CPU: for who needs its values before it is loaded to be measured.

    Raises:
        ModelError: it cannot be loaded.
    """
    loader = auto_class(
        read_base_config(base, trust_remote_code=trust_remote_code), trust_remote_code=trust_remote_code
    )
    try:
        with quiet_loading():
            return loader.from_pretrained(base, dtype="auto", trust_remote_code=trust_remote_code, use_safetensors=True)
    except unreadable() as exc:
        raise ModelError(
            f"{base} cannot be loaded: {first_line(exc)}", "check that the directory is a complete language model"
        ) from exc


def reached_by_text(base: Path, *, trust_remote_code: bool = False) -> Callable[[str], bool] | None:
    """Whether text alone passes through a module of the base, by its name; None where it passes through all.

    It does not through what lies beside the language model (the encoders of images and sound, with what projects their
    output), nor through layers of it that attend to images.
    """
    config = read_base_config(base, trust_remote_code=trust_remote_code)
    text = config.get_text_config(decoder=True)
    to_images = [f".layers.{index}." for index in getattr(text, "cross_attention_layers", None) or ()]
    if text is config and not to_images:
        return None
    model = skeleton(base, trust_remote_code=trust_remote_code)
    language = (model.get_decoder(), model.get_input_embeddings(), model.get_output_embeddings())
    own = tuple(f"{name}." for name, module in model.named_modules() if any(module is part for part in language))

    def reached(module: str) -> bool:
        name = f"{module}."
        return ("." in own or name.startswith(own)) and not any(layer in f".{name}" for layer in to_images)

    return reached

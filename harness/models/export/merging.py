"""An adapter merged into its base, and held against the two unmerged before anything is written."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, ModelError, first_line
from harness.json_files import read_json_object
from harness.models.adapters.files import check_adapter_files
from harness.models.export.source import Source
from harness.models.loading import LoadOptions, attach_adapter, load_base, load_tokenizer
from harness.models.probing import largest_shift, probe_log_probs
from harness.models.quiet import quiet_loading

if TYPE_CHECKING:
    import torch

# Of float32 sums in another order; a merge that is wrong is off by whole nats.
_MOST_SHIFT = 0.02


def write_merged(source: Source, directory: Path) -> None:
    """Save the candidate as one model, in the precision of its base's files.

    Merged in float32: what bfloat16 weights lose of a small change would be lost twice.

    Raises:
        AdapterError: merged, it would not be the candidate.
    """
    model = _merged(source)
    model.to(stored_dtype(source.base))
    with quiet_loading():
        model.save_pretrained(directory)
    copy_tokenizer(source.base, directory, trust_remote_code=source.trust_remote_code)


def copy_tokenizer(model: Path, directory: Path, *, trust_remote_code: bool) -> None:
    """Save a model's tokenizer, with nothing added to it."""
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(model, trust_remote_code=trust_remote_code).save_pretrained(directory)


def _merged(source: Source) -> Any:
    """Merged by PEFT. Where the head is tied to the embeddings and the adapter changes but one of the two, they are parted."""
    shifts = []
    for parted in (False, True):
        model, shift, was_tied = _attempt(source, parted=parted)
        if shift <= _MOST_SHIFT:
            return model
        shifts.append(shift)
        if not was_tied:
            break
    raise AdapterError(
        f"merged, {source.name} is not the candidate: a log-probability moves by {min(shifts):.2g} nats in float32",
        "serve it as an adapter (--to gguf-lora, or a server that loads adapters)",
    )


def _attempt(source: Source, *, parted: bool) -> tuple[Any, float, bool]:
    import torch

    assert source.adapter is not None
    options = LoadOptions("float32", "cpu", trust_remote_code=source.trust_remote_code)
    check_adapter_files(source.adapter, allowed=source.allowed_files)
    base = load_base(source.base, options)
    was_tied = base.get_output_embeddings() is not None and (
        base.get_output_embeddings().weight is base.get_input_embeddings().weight
    )
    if parted:
        head = base.get_output_embeddings()
        head.weight = torch.nn.Parameter(head.weight.detach().clone())
        base.config.get_text_config().tie_word_embeddings = base.config.tie_word_embeddings = False
    tokenizer = load_tokenizer(source.base, trust_remote_code=source.trust_remote_code)
    adapted = attach_adapter(base.eval(), source.adapter, source.base, trust_remote_code=source.trust_remote_code)
    before = probe_log_probs(adapted.eval(), tokenizer)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ties, which are looked after here
            merged = adapted.merge_and_unload(safe_merge=True)
    except (RuntimeError, ValueError, NotImplementedError, AttributeError, TypeError) as exc:
        raise AdapterError(
            f"PEFT does not merge {source.name}: {first_line(exc)}", "serve it as an adapter on its base"
        ) from exc
    return merged, largest_shift(before, probe_log_probs(merged.eval(), tokenizer)), was_tied


def stored_dtype(base: Path) -> torch.dtype:
    """The precision of a model's files."""
    import torch

    config = read_json_object(base / "config.json", ModelError, "restore it")
    name = config.get("dtype") or config.get("torch_dtype") or "float32"
    found = getattr(torch, str(name), torch.float32)
    return found if isinstance(found, torch.dtype) and found.is_floating_point else torch.float32

"""Checks that the adapter acts, and that answers depend on nothing but the question."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.checks.integrity.probe import Observed
from harness.checks.likeness import mean_kl, nan_predictions
from harness.gates import Check
from harness.models.adapters.files import WEIGHTS
from harness.models.adapters.names import canonical_names
from harness.models.adapters.placing import as_peft_loads
from harness.models.probing import PROBE_TEXTS, probe_log_probs

if TYPE_CHECKING:
    import torch

    from harness.models.loading import LoadedModel


def changes_the_base(loaded: LoadedModel, *, least_kl: float, observed: Observed | None = None) -> Check:
    """The candidate's next-token distributions differ from the base's.

    The details tell, for each layer, how large what the adapter adds to its modules' outputs is beside those outputs.

    Args:
        least_kl: mean KL(base || candidate) on the probe texts, nats a token, that counts as a difference.
        observed: what the two said, if they were asked already.
    """
    seen = observed or Observed(loaded)
    if nan := nan_predictions("effect", {"base": seen.base, "candidate": seen.candidate}):
        return nan
    if seen.base.shape != seen.candidate.shape:
        shapes = (
            f"{len(seen.candidate)} predictions of {seen.candidate.shape[-1]} tokens, the base {len(seen.base)} of "
        )
        reason = f"on the probe texts it makes {shapes}{seen.base.shape[-1]}: its tokenizer or vocabulary is another"
        return Check("effect", holds=True, reason=reason)
    kl, layers = mean_kl(seen.base, seen.candidate), dict(seen.layers)
    most = f", most in layer {max(layers, key=lambda layer: layers[layer])}" if layers else ""
    unchanged = not kl >= least_kl  # NaN is no change either
    return Check(
        "effect",
        holds=not unchanged,
        reason=f"it leaves the base's predictions as they are (mean KL {kl:.2g} nats a token)"
        if unchanged
        else f"mean KL from the base is {kl:.2g} nats a token{most}",
        remedy="check the scale (alpha/r), that B is trained, and that the adapter was made for this base"
        if loaded.has_adapter
        else "it was saved without what was trained: save it again, or pass the right directory",
        details={"kl_nats_per_token": kl, "limit": least_kl, "positions": len(seen.base), "layers": layers},
    )


# What is compared bit for bit shows on any text.
_FEW = PROBE_TEXTS[1:4:2]


def answers_repeat(loaded: LoadedModel) -> Check:
    """The same prompts twice give the same distributions, bit for bit."""
    model = loaded.in_memory().model
    first, second = (probe_log_probs(model, loaded.tokenizer, _FEW, after=loaded.invocation) for _ in range(2))
    if nan := nan_predictions("determinism", {"candidate": first}):
        return nan
    unlike = _unlike(first, second)
    same = f"asked twice, all {len(first)} predictions are the same"
    return Check(
        "determinism",
        holds=not unlike,
        reason=f"asked twice, {unlike} of {len(first)} predictions differ" if unlike else same,
        remedy="something draws at random: is dropout on (model.eval()), or a kernel that is not deterministic?",
        details={"differing_positions": unlike, "mean_kl": mean_kl(first, second)} if unlike else {},
    )


def switches_cleanly(loaded: LoadedModel) -> Check:
    """Off, on, off and on again give the base's and the candidate's distributions, bit for bit.

    It is how base and candidate share one model here, and how a server swaps adapters.
    """
    seen = []
    for on in (False, True, False, True):
        with loaded.adapter(on=on) as model:
            seen.append(probe_log_probs(model, loaded.tokenizer, _FEW, after=loaded.invocation))
    if nan := nan_predictions("hot_swap", {"base": seen[0], "candidate": seen[1]}):
        return nan
    unlike = {"base": _unlike(seen[0], seen[2]), "candidate": _unlike(seen[1], seen[3])}
    changed = [who for who, count in unlike.items() if count]
    return Check(
        "hot_swap",
        holds=not changed,
        reason=f"switched off and on again, {unlike[changed[0]]} of {len(seen[0])} predictions of the {changed[0]} are others"
        if changed
        else "base and candidate are the same after switching off and on",
        remedy="the adapter leaves something behind in the base (merged weights, a cache): serve it by itself",
        details={"differing_positions": unlike} if changed else {},
    )


def padding_changes_nothing(loaded: LoadedModel, *, most_kl: float, observed: Observed | None = None) -> Check:
    """Texts in one left-padded batch get the distributions they get one by one, but for rounding.

    Args:
        most_kl: largest mean KL(single || batched), nats a token; rounding in bfloat16 stays far below 0.02.
        observed: what the candidate said to each text by itself, if it was asked already.
    """
    single = (observed or Observed(loaded)).candidate
    batched = _batched_log_probs(loaded)
    if nan := nan_predictions("padding", {"candidate": single}):
        return nan
    kl = mean_kl(single, batched)
    fault = "" if kl <= most_kl else "in a padded batch the candidate answers differently than alone"
    return Check(
        "padding",
        holds=not fault,
        reason=f"{fault or 'batched equals single'} (mean KL {kl:.2g} nats a token)",
        remedy="pad on the left for generation and pass an attention mask; check the base's pad token",
        details={"kl_nats_per_token": kl, "limit": most_kl, "side": loaded.tokenizer.padding_side},
    )


def survives_saving(loaded: LoadedModel, adapter: Path) -> Check:
    """Saved again as it is in memory, every tensor has the values that PEFT loads from the file.

    Raises:
        AdapterError: the file is damaged.
    """
    import torch
    from safetensors import safe_open

    model = loaded.in_memory().model
    with safe_open(adapter / WEIGHTS, "pt") as file:
        names = canonical_names(adapter / WEIGHTS)
        stored = as_peft_loads(model, {canonical: file.get_tensor(name) for name, canonical in names.items()})
    with tempfile.TemporaryDirectory() as directory:
        model.save_pretrained(directory, safe_serialization=True, save_embedding_layers=False)
        with safe_open(Path(directory) / WEIGHTS, "pt") as saved:
            changed = [
                name
                for name in sorted(saved.keys())
                if name not in stored or not _same(torch, saved.get_tensor(name), stored[name])
            ]
            count = len(saved.keys())
    return Check(
        "round_trip",
        holds=not changed,
        reason=f"loaded and saved again, {len(changed)} of {count} tensors differ, first {changed[0]}"
        if changed
        else f"loaded and saved again, all {count} tensors are the same",
        remedy="the file was not loaded as it is: save it with the PEFT version in use, in float32 or bfloat16",
        details={"tensors": changed} if changed else {},
    )


def _same(torch: Any, saved: torch.Tensor, original: torch.Tensor) -> bool:
    """Whether values are equal in the coarser of the two precisions; indices, as they are."""
    if not (saved.is_floating_point() and original.is_floating_point()):
        return bool(torch.equal(saved, original.to(saved.dtype)))
    kind = min((saved.dtype, original.dtype), key=lambda dtype: torch.finfo(dtype).bits)
    return saved.shape == original.shape and bool(torch.equal(saved.to(kind), original.to(kind)))


def _unlike(first: torch.Tensor, second: torch.Tensor) -> int:
    """At how many positions two sets of distributions are not bit for bit the same."""
    return int((first != second).any(dim=-1).sum())


def _batched_log_probs(loaded: LoadedModel) -> torch.Tensor:
    """What `probe_log_probs` gives, out of one batch that is padded as the engine pads."""
    import torch

    from harness.engines.padded import pad_left

    rows = [[*loaded.invocation, *loaded.tokenizer(text)["input_ids"]] for text in PROBE_TEXTS]
    batch = pad_left(rows, pad_id=loaded.tokenizer.pad_token_id, device=loaded.device)
    with torch.inference_mode():
        logits = loaded.in_memory().model(**batch, use_cache=False).logits
        return torch.log_softmax(logits[batch["attention_mask"].bool()].float(), dim=-1).cpu()

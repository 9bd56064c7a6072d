"""Attention of many segments packed in one row, each reading the keys and values of the prefixes before it.

A pack holds segments end to end, without padding. A token attends to its own segment causally, and to
the key-value blocks of the prefixes its segment continues, which are stored once however many segments
read them. The parts are combined exactly by their log-sum-exps, as in flash decoding and Hydragen
(Juravsky et al. 2024, arXiv 2402.05099, section 3).

Installed through transformers' attention interface: the model's own code runs unchanged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

NAME = "assay_prefix"

# What the interface passes on that leaves attention what it is here: softmax over all keys before. Windows shorter than
# the context are ruled out beforehand.
_PLAIN_ARGUMENTS = frozenset({"dropout", "is_causal", "position_ids", "sliding_window", "use_cache"})

KeysValues = tuple["torch.Tensor", "torch.Tensor"]
"""Keys and values of one layer, each of shape (1, key-value heads, tokens, head size)."""


@dataclass(frozen=True)
class Block:
    """Keys and values of consecutive tokens, a pair a layer."""

    layers: Sequence[KeysValues]


@dataclass(frozen=True)
class Read:
    """Tokens `start` to `stop` of a pack attend to all of a block."""

    start: int
    stop: int
    block: Block


class Own(Protocol):
    """How the tokens of a forward attend to what no other segment shares."""

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Output of shape (heads, tokens, head size of the values) in float32, log-sum-exp of shape (heads, tokens).

        Args:
            query: shape (heads, tokens, head size).
            key, value: shape (key-value heads, tokens, head size), values of a head size of their own.
        """
        ...


@dataclass(frozen=True)
class Rows:
    """Segments of like length as one padded batch.

    Attributes:
        index: shape (rows, longest), positions in the pack; padding repeats a row's last token.
        flat: positions in the flattened `index` that are no padding.
        tokens: their positions in the pack, in the same order.
    """

    index: torch.Tensor
    flat: torch.Tensor
    tokens: torch.Tensor


@dataclass(frozen=True)
class Segments:
    """Segments end to end, each causal within itself."""

    rows: Sequence[Rows]

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `Own`."""
        import torch

        heads, tokens = query.shape[:2]
        # A token's heads lie together: rows are then gathered and put back by copying whole tokens.
        out = torch.empty((tokens, heads, value.shape[2]), dtype=torch.float32, device=query.device)
        log_sum = torch.empty((tokens, heads), dtype=torch.float32, device=query.device)
        for rows in self.rows:
            q, k, v = (_gather(t, rows.index) for t in (query, key, value))
            part, part_sum = flash(q, k, v, causal=True, scaling=scaling)
            out.index_copy_(0, rows.tokens, part.transpose(1, 2).flatten(0, 1)[rows.flat].float())
            log_sum.index_copy_(0, rows.tokens, part_sum.transpose(1, 2).flatten(0, 1)[rows.flat])
        return out.transpose(0, 1), log_sum.transpose(0, 1)


def _gather(tensor: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Tokens at `index`, shape (rows, longest), of (heads, tokens, head size), as (rows, heads, longest, head size)."""
    chosen = tensor.transpose(0, 1).index_select(0, index.flatten())
    return chosen.view(*index.shape, *chosen.shape[1:]).transpose(1, 2)


@dataclass
class Pack:
    """What the attention of one forward needs to know.

    Attributes:
        attended: the layers whose attention came this way.
        kept: filled by the forward with its own keys and values, a pair a layer, if `keep` is set.
        before: read by all tokens: an adapter's virtual tokens, set by `prefix_attention`.
    """

    own: Own
    reads: Sequence[Read]
    keep: bool = False
    attended: set[int] = field(default_factory=set)
    kept: dict[int, KeysValues] = field(default_factory=dict)
    before: Sequence[KeysValues] = ()


_PACK: ContextVar[Pack] = ContextVar("pack")


@contextlib.contextmanager
def prefix_attention(model: Any, pack: Pack) -> Iterator[None]:
    """Let one forward of `model` attend as described above.

    Raises:
        RuntimeError: after the forward, some layer did not attend this way: Bloom's computes its own attention, a
            recurrent one has none.
    """
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _attend)
    config = model.config.get_text_config()
    usual = config._attn_implementation
    config._attn_implementation = NAME
    # Not an argument of the forward: not every model hands what it does not know down to its attention.
    token = _PACK.set(pack)
    hand_out = getattr(model, "hand_out", contextlib.nullcontext)  # see `harness.models.virtual_tokens`
    try:
        with hand_out() as virtual_tokens:
            pack.before = virtual_tokens or ()
            yield
    finally:
        config._attn_implementation = usual
        _PACK.reset(token)
    if len(pack.attended) < config.num_hidden_layers:
        raise RuntimeError(
            f"only {len(pack.attended)} of {config.num_hidden_layers} layers attend through transformers' interface"
        )


def starts_of(lengths: Sequence[int]) -> list[int]:
    """Where each segment of a pack begins."""
    return list(accumulate(lengths, initial=0))[:-1]


def segments(lengths: Sequence[int], device: torch.device) -> Segments:
    """Segments of these lengths; those whose lengths have the same power of two above share a batch.

    Args:
        lengths: tokens of each segment, in pack order.
    """
    import torch

    starts = starts_of(lengths)
    buckets: dict[int, list[int]] = {}
    for segment, length in enumerate(lengths):
        buckets.setdefault((length - 1).bit_length(), []).append(segment)
    rows = []
    for members in buckets.values():
        width = max(lengths[i] for i in members)
        sizes = torch.tensor([lengths[i] for i in members])
        offsets = torch.arange(width)
        real = offsets < sizes[:, None]
        index = torch.tensor([starts[i] for i in members])[:, None] + offsets.minimum(sizes[:, None] - 1)
        flat = real.flatten().nonzero().flatten()
        rows.append(Rows(index.to(device), flat.to(device), index.flatten()[flat].to(device)))
    return Segments(rows)


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """The attention function transformers calls in each layer; query has shape (1, heads, tokens, head size).

    Raises:
        RuntimeError: the layer asks for more than softmax over all keys before: a cap, sinks, a bias, a second round.
    """
    asked = [name for name, value in others.items() if name not in _PLAIN_ARGUMENTS and value not in (None, False)]
    if attention_mask is not None:
        asked.append("attention_mask")
    if asked:
        raise RuntimeError(f"its attention takes {', '.join(asked)}")
    pack, layer = _PACK.get(), module.layer_idx
    if layer in pack.attended:
        raise RuntimeError("its layers attend more than once")
    pack.attended.add(layer)
    if pack.keep:
        pack.kept[layer] = (key, value)
    out, log_sum = pack.own.attend(layer, query[0], key[0], value[0], scaling)
    reads = [Read(0, query.shape[2], Block(pack.before)), *pack.reads] if pack.before else pack.reads
    for read in reads:
        keys, values = read.block.layers[layer]
        part, part_sum = flash(query[:, :, read.start : read.stop], keys, values, scaling=scaling)
        _merge(out[:, read.start : read.stop], log_sum[:, read.start : read.stop], part[0], part_sum[0])
    return out.to(query.dtype).transpose(0, 1).contiguous().unsqueeze(0), None


def _merge(out: torch.Tensor, log_sum: torch.Tensor, part: torch.Tensor, part_sum: torch.Tensor) -> None:
    """Fold one more part into the running attention, in place.

    With o1, o2 the parts' outputs and l1, l2 their log-sum-exps, the whole is
    (o1 exp(l1) + o2 exp(l2)) / (exp(l1) + exp(l2)).
    """
    import torch

    out.lerp_(part.float(), torch.sigmoid(part_sum - log_sum).unsqueeze(-1))
    torch.logaddexp(log_sum, part_sum, out=log_sum)


def flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, scaling: float | None, causal: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention and its log-sum-exp: shapes (batch, heads, queries, head size) and (batch, heads, queries).

    Args:
        key, value: with as many heads as the query, or a divisor of them (grouped queries).
        causal: query i sees keys 0 to i; there are as many keys as queries.
    """
    import torch

    if query.device.type == "cpu":
        scaling, sizes = scaling if scaling is not None else query.shape[3] ** -0.5, value.shape[3]
        widest = max(query.shape[3], sizes)  # the kernel takes one head size; latent attention has another for values
        found = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            *(_widened(tensor, widest) for tensor in (query, key, value)), 0.0, causal, attn_mask=None, scale=scaling
        )
        return found[0][..., :sizes], found[1]
    mask = None
    if causal:
        unseen = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).triu(1)
        mask = torch.zeros(unseen.shape, device=query.device).masked_fill(unseen, float("-inf"))
    return matmul_attention(query, key, value, scaling=scaling, mask=mask)


def _widened(tensor: torch.Tensor, size: int) -> torch.Tensor:
    """The tensor with zeros up to a head size: they add nothing to a product."""
    import torch

    missing = size - tensor.shape[3]
    return torch.nn.functional.pad(tensor, (0, missing)) if missing else tensor


def matmul_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    scaling: float | None,
    mask: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """As `flash`, by two plain matrix products.

    The way for many rows of one query each: there the CPU's flash kernel, in bfloat16, takes five to twenty
    times as long. Query heads that share keys are one product's rows, so that no key is read or copied twice.

    Args:
        key, value: contiguous, or the CPU's bfloat16 product takes ten times as long.
        mask: float32, added to the scores; broadcast to (batch, heads, queries, keys); every query sees a key.

    Returns:
        Both in float32.
    """
    batch, heads, queries, size = query.shape
    grouped = (batch, key.shape[1], heads // key.shape[1] * queries)
    scores = (query.reshape(*grouped, size) @ key.transpose(-1, -2)).float()
    scores = scores.view(batch, heads, queries, -1) * (scaling if scaling is not None else size**-0.5)
    if mask is not None:
        scores += mask
    highest = scores.amax(dim=-1, keepdim=True)
    weights = (scores - highest).exp_()
    total = weights.sum(dim=-1, keepdim=True)
    out = (weights.to(value.dtype).view(*grouped, -1) @ value).view(batch, heads, queries, -1)
    return out.float() / total, (highest + total.log()).squeeze(-1)

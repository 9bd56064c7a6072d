"""Rows of unequal length as one left-padded batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class PaddedBatch:
    """Three tensors of shape (rows, longest row): ids, 1 for real tokens, and each token's own position."""

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    position_ids: torch.Tensor


def pad_left(rows: Sequence[Sequence[int]], *, pad_id: int, device: torch.device) -> PaddedBatch:
    """Pad on the left, so that every row's last token stands in the last column.

    Positions count from each row's first real token: padding changes nothing a row computes.
    """
    import torch

    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad_id] * (width - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    positions = (mask.cumsum(dim=-1) - 1).clamp(min=0)
    return PaddedBatch(ids, mask, positions)

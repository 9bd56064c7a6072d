from __future__ import annotations

import pytest
import torch

from harness.engines.prefix.attention import flash, matmul_attention, segments

HEADS, GROUPS, SIZE = 6, 2, 16


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def plain(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor):
    """Softmax attention written out; shapes (heads, queries, size), (groups, keys, size), (queries, keys)."""
    key, value = (t.repeat_interleave(HEADS // GROUPS, dim=0) for t in (key, value))
    scores = (query @ key.transpose(-1, -2) / SIZE**0.5).masked_fill(~seen, float("-inf"))
    return scores.softmax(dim=-1) @ value, scores.logsumexp(dim=-1)


@pytest.mark.parametrize("queries", [1, 5])
def test_matrix_products_and_the_flash_kernel_give_plain_attention(queries):
    query, key, value = (
        drawn(3, HEADS, queries, SIZE),
        drawn(3, GROUPS, 40, SIZE),
        drawn(3, GROUPS, 41, SIZE)[:, :, :40],
    )
    for attention in (matmul_attention, flash):
        out, log_sum = attention(query, key, value, scaling=SIZE**-0.5)
        for row in range(3):
            wanted, wanted_sum = plain(query[row], key[row], value[row], torch.ones(queries, 40, dtype=torch.bool))
            torch.testing.assert_close(out[row], wanted, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(log_sum[row], wanted_sum, atol=1e-5, rtol=1e-5)


def test_masked_keys_have_no_weight_however_large_they_are():
    query, key, value = drawn(2, HEADS, 1, SIZE), drawn(2, GROUPS, 9, SIZE), drawn(2, GROUPS, 8, SIZE)
    key[:, :, 5:] = 1e4
    seen = torch.arange(9) < 5
    mask = torch.zeros(9).masked_fill(~seen, float("-inf"))
    out, _ = matmul_attention(query, key, torch.cat([value, value[:, :, :1]], dim=2), scaling=None, mask=mask)
    wanted, _ = plain(query[0], key[0], torch.cat([value[0], value[0, :, :1]], dim=1), seen[None])
    torch.testing.assert_close(out[0], wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("lengths", [[7], [1, 2, 40, 3, 33, 8, 1, 64, 65], [5] * 6])
def test_segments_of_any_lengths_are_causal_and_blind_to_one_another(lengths):
    tokens = sum(lengths)
    query, key, value = (
        drawn(HEADS, tokens, SIZE),
        drawn(GROUPS, tokens, SIZE),
        drawn(GROUPS, tokens, SIZE + 1)[..., 1:],
    )
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    seen = (owner[:, None] == owner) & (torch.arange(tokens)[:, None] >= torch.arange(tokens))
    out, log_sum = segments(lengths, torch.device("cpu")).attend(0, query, key, value, None)
    wanted, wanted_sum = plain(query, key, value, seen)
    torch.testing.assert_close(out, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(log_sum, wanted_sum, atol=1e-5, rtol=1e-5)

"""Every request by itself, in left-padded batches: fits any model, shares nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.engines.caches import handed_out
from harness.engines.decoding import choose_tokens, finished_answer, new_row
from harness.engines.requests import GenerateRequest, Generation, Score
from harness.engines.strategy import A, BatchJob, BatchLimits, TokenPair, eos_ids

if TYPE_CHECKING:
    import torch

    from harness.models.loading import LoadedModel


class PaddedStrategy:
    """See `harness.engines.strategy.Strategy`.

    Args:
        use_cache: False computes an answer so far anew for each of its tokens, as for a model that hands out no cache.
    """

    def __init__(self, loaded: LoadedModel, limits: BatchLimits, *, use_cache: bool = True) -> None:
        self._loaded = loaded
        self._limits = limits
        self._use_cache = use_cache
        self._rows = limits.rows
        self.way = "one by one" if limits.rows == 1 else "padded batches" if use_cache else "padded batches, no cache"

    def plan_scores(self, pairs: Sequence[TokenPair]) -> list[BatchJob[Score]]:
        """Batches of pairs of like length."""
        lengths = [len(context) + len(tail) for context, tail in pairs]
        return self._jobs(lengths, lambda model, part: self._score(model, [pairs[n] for n in part]))

    def plan_generations(
        self, requests: Sequence[GenerateRequest], prompts: Sequence[Sequence[int]]
    ) -> list[BatchJob[Generation]]:
        """Batches of prompts of like length."""
        asked = list(zip(requests, prompts, strict=True))
        lengths = [len(prompt) + request.max_new_tokens for request, prompt in asked]
        return self._jobs(lengths, lambda model, part: self._decode(model, [asked[n] for n in part]))

    def shrink(self) -> bool:
        """Half the rows at once."""
        self._rows = min(self._rows, self._limits.rows) // 2
        return self._rows > 0

    def _jobs(
        self, lengths: Sequence[int], compute: Callable[[Any, Sequence[int]], Iterator[tuple[int, A]]]
    ) -> list[BatchJob[A]]:
        batches = plan_batches(lengths, token_budget=self._limits.tokens, max_rows=self._limits.rows)
        return [BatchJob(batch, partial(self._run, compute, batch)) for batch in batches]

    def _run(
        self, compute: Callable[[Any, Sequence[int]], Iterator[tuple[int, A]]], numbers: Sequence[int], model: Any
    ) -> Iterator[tuple[int, A]]:
        start = 0
        while start < len(numbers):
            part = numbers[start : start + self._rows]
            yield from ((part[index], answer) for index, answer in compute(model, part))
            start += self._rows

    def _score(self, model: Any, pairs: Sequence[TokenPair]) -> Iterator[tuple[int, Score]]:
        """Score one batch, yielding (index in the batch, score).

        The vocabulary-sized logits are asked for only where a continuation stands: rows are padded on
        the left, so all continuations end in the last column.
        """
        import torch

        started = time.perf_counter()
        # The last token predicts nothing that is asked for, so it is not fed.
        batch = self._pad([[*context, *tail][:-1] for context, tail in pairs])
        kept = max(len(tail) for _, tail in pairs)
        logits = model(**batch, use_cache=False, logits_to_keep=kept).logits
        for row, (context, tail) in enumerate(pairs):
            log_probs = torch.log_softmax(logits[row, -len(tail) :].float(), dim=-1)
            targets = torch.tensor(tail, device=self._loaded.device)
            total = log_probs.gather(1, targets[:, None]).sum().item()
            greedy = bool((log_probs.argmax(dim=-1) == targets).all())
            yield row, Score(total, greedy, len(context), len(tail), time.perf_counter() - started)

    def _decode(
        self, model: Any, asked: Sequence[tuple[GenerateRequest, Sequence[int]]]
    ) -> Iterator[tuple[int, Generation]]:
        """Answer one batch, yielding (index in the batch, answer) as each finishes."""
        import torch

        started = time.perf_counter()
        device, tokenizer, eos = self._loaded.device, self._loaded.tokenizer, eos_ids(self._loaded)
        rows = [new_row(i, request, prompt, self._loaded) for i, (request, prompt) in enumerate(asked)]
        prompts = [list(prompt) for _, prompt in asked]
        batch = self._pad(prompts)
        while True:
            output = model(**batch, use_cache=self._use_cache, logits_to_keep=1)
            chosen = choose_tokens(output.logits[:, -1], rows)
            staying: list[int] = []
            for index, (row, token) in enumerate(zip(rows, chosen.tolist(), strict=True)):
                row.tokens.append(token)
                answer = finished_answer(row, tokenizer, eos, started)
                if answer is None:
                    staying.append(index)
                else:
                    yield row.index, answer
            if not staying:
                return
            keep = torch.tensor(staying, device=device)
            rows = [rows[index] for index in staying]
            if self._use_cache:
                batch = _next_step(batch, output, chosen, keep)
            else:
                batch = self._pad([[*prompts[row.index], *row.tokens] for row in rows])

    def _pad(self, rows: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        return pad_left(rows, pad_id=self._loaded.tokenizer.pad_token_id, device=self._loaded.device)


def _next_step(batch: Mapping[str, Any], output: Any, chosen: torch.Tensor, keep: torch.Tensor) -> dict[str, Any]:
    """A model's arguments for the next token of the rows at `keep`, from those and the output of the last step."""
    import torch

    cache = handed_out(output)
    if len(keep) < len(chosen):
        cache.keep(keep)
    following = {"input_ids": chosen[keep, None], "position_ids": batch["position_ids"][keep, -1:] + 1}
    if cache.has_columns:
        following["attention_mask"] = torch.nn.functional.pad(batch["attention_mask"][keep], (0, 1), value=1)
    return following | cache.as_arguments()


def plan_batches(lengths: Sequence[int], *, token_budget: int, max_rows: int) -> list[list[int]]:
    """Group requests by length, longest first, so that the first batch shows the peak memory.

    Args:
        lengths: tokens each request may occupy, prompt and answer.
        token_budget: a batch's rows times its longest row stays within this; a single row that is
            longer is a batch of its own.
        max_rows: rows in a batch at the most.

    Returns:
        Indices into `lengths`, a list a batch; every index once. Depends on `lengths` alone, so
        that a resumed run computes the same batches as an uninterrupted one.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    batches: list[list[int]] = []
    for index in order:
        current = batches[-1] if batches else []
        longest = lengths[current[0]] if current else 0
        if current and len(current) < max_rows and (len(current) + 1) * longest <= token_budget:
            current.append(index)
        else:
            batches.append([index])
    return batches


def pad_left(rows: Sequence[Sequence[int]], *, pad_id: int, device: torch.device) -> dict[str, torch.Tensor]:
    """A model's arguments of shape (rows, longest row), padded so that every row's last token is in the last column.

    Positions count from each row's first real token: padding changes nothing a row computes.
    """
    import torch

    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad_id] * (width - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    positions = (mask.cumsum(dim=-1) - 1).clamp(min=0)
    return {"input_ids": ids, "attention_mask": mask, "position_ids": positions}

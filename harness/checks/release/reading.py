"""Reading with one model: the tokens it makes of a text, how it puts a conversation, and what it expects next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.engines.rendering import render_text
from harness.errors import EngineError, ModelError, first_line
from harness.models.forwards import plain_logits

if TYPE_CHECKING:
    import torch

    from harness.engines.llama_cpp import LlamaCppBackend
    from harness.engines.requests import GenerateRequest, Prompt
    from harness.models.loading import LoadedModel

# At so many of its likeliest tokens a file run by llama.cpp is held; all others count as one.
_LIKELIEST = 200


@dataclass(frozen=True)
class Passage:
    """A text in tokens; at each token of the tail it is asked what was expected there.

    Attributes:
        request: whose prompt is the context, and whose answer begins with the tail; None of any other text.
    """

    context: Sequence[int]
    tail: Sequence[int]
    request: GenerateRequest | None = None


class Reading(Protocol):
    """One model, read with."""

    def tokens(self, text: str) -> Sequence[int]:
        """The tokens of a text, special ones where it spells them."""
        ...

    def rendered(self, prompt: Prompt) -> str | None:
        """The text that it is shown of a conversation; None where its template refuses it."""
        ...

    def log_probs(self, passages: Sequence[Passage], like: torch.Tensor | None = None) -> torch.Tensor:
        """Log-probabilities of shape (tokens of all tails, vocabulary), float32 on the CPU.

        Args:
            like: those of the model that it is held against, for readings that do not know the whole of a distribution.
        """
        ...


@dataclass(frozen=True)
class InProcess:
    """Of a model in memory, with its adapter or without."""

    loaded: LoadedModel
    adapter: bool

    def tokens(self, text: str) -> Sequence[int]:
        ids: Sequence[int] = self.loaded.tokenizer(text)["input_ids"]
        return ids

    def rendered(self, prompt: Prompt) -> str | None:
        try:
            return render_text(self.loaded.tokenizer, prompt)
        except ModelError:
            return None

    def log_probs(self, passages: Sequence[Passage], like: torch.Tensor | None = None) -> torch.Tensor:
        import torch

        found = []
        with torch.inference_mode(), self.loaded.adapter(on=self.adapter) as model:
            last = max((max(*one.context, *one.tail) for one in passages), default=0)
            if last >= (rows := model.get_input_embeddings().weight.shape[0]):
                raise ModelError(
                    f"the candidate's texts have token {last}, and it has {rows} embeddings",
                    "save it with all rows of the candidate's embeddings",
                )
            for passage in passages:
                logits = plain_logits(model, [*passage.context, *passage.tail])[-len(passage.tail) - 1 : -1]
                found.append(torch.log_softmax(logits.float(), dim=-1).cpu())
        read = torch.cat(found)
        return read if like is None else read[:, : like.shape[-1]]


@dataclass(frozen=True)
class OfGguf:
    """Of a GGUF file that llama.cpp runs: at each position its likeliest tokens are known, and how likely all others are
    together."""

    backend: LlamaCppBackend

    def tokens(self, text: str) -> Sequence[int]:
        return self.backend.server.tokens(text)

    def rendered(self, prompt: Prompt) -> str | None:
        from openai import OpenAIError

        try:
            return self.backend.server.rendered(prompt)
        except OpenAIError as exc:
            return f"(refused: {first_line(exc)})"

    def log_probs(self, passages: Sequence[Passage], like: torch.Tensor | None = None) -> torch.Tensor:
        """The tokens that are not among the likeliest have what is left in the proportions of `like`: of all distributions that
        agree with what is known, the one whose divergence from `like` is least."""
        import torch

        if like is None:
            raise ValueError("a GGUF file is read beside another model")
        from openai import OpenAIError

        server = self.backend.server
        try:
            tops = [top for one in passages for top in server.likeliest(one.context, one.tail, _LIKELIEST)]
        except OpenAIError as exc:
            raise EngineError(
                f"llama.cpp's server does not read the texts: {first_line(exc)}",
                "look at the file's tokenizer metadata (release/tokenizer, release/ending), and convert it again",
            ) from exc
        read = torch.empty_like(like)
        for row, expected, top in zip(read, like, tops, strict=True):
            known = {token: logprob for token, logprob in top.items() if token < len(row)}
            ids = torch.tensor(list(known))
            values = torch.tensor(list(known.values()))
            left = max(1 - float(values.exp().sum()), 1e-9)
            others = expected.clone()
            others[ids] = -math.inf
            row[:] = others - torch.logsumexp(others, dim=-1) + math.log(left)
            row[ids] = values
        return read

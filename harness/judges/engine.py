"""The judge's engine: it counts tokens, and stops before its budget is overrun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.config.budget import BUDGET_REMEDY, Budget, BudgetSpentError, Tokens
from harness.engines import AnswerCache, Engine
from harness.engines.engine import Backend
from harness.engines.requests import Answer, ChoiceRequest, GenerateRequest, Request
from harness.errors import EngineError

# What a chat template may add to a prompt: markers, a default system prompt, today's date.
_TEMPLATE_TOKENS = 128
_REQUESTS_AT_ONCE = 128


class JudgeEngine(Engine):
    """An engine whose newly computed answers are counted in tokens, and stay within a budget.

    Without a budget it computes as any engine does. With one, questions are asked in parts, in order; a part
    is asked only where the most it can cost is left. No tokenizer makes more tokens than bytes, so a prompt's
    bytes bound its tokens on any server.

    Attributes:
        spent: tokens of the answers computed so far; what came from the cache costs nothing.
    """

    def __init__(
        self, identity_digest: str, backend: Backend, cache: AnswerCache, *, budget: Budget | None = None
    ) -> None:
        super().__init__(identity_digest, backend, cache)
        self.budget = budget
        self.spent = Tokens()

    def again(self) -> JudgeEngine:
        """The same judge, to be asked all over within what is left of its budget."""
        asked = super().again()
        again = JudgeEngine(asked.identity_digest, asked._backend, self._cache, budget=self.budget)
        again.spent = self.spent
        return again

    def _compute(
        self, requests: Sequence[Request], positions: dict[str, list[int]], known: dict[str, Answer]
    ) -> Iterator[tuple[int, Answer]]:
        if self.budget is None:
            yield from self._counted(requests, positions, known)
            return
        waiting = [key for key in positions if key not in known]
        while waiting:
            part = self._affordable(requests, waiting, positions)
            if not part:
                raise BudgetSpentError(
                    f"judge budget spent: {self.spent.total:,} tokens of {self.budget.show()}, and the next question "
                    "may cost more than is left",
                    BUDGET_REMEDY,
                )
            waiting = waiting[len(part) :]
            yield from self._counted(requests, {key: positions[key] for key in part}, {})

    def _counted(
        self, requests: Sequence[Request], positions: dict[str, list[int]], known: dict[str, Answer]
    ) -> Iterator[tuple[int, Answer]]:
        firsts = {indices[0] for indices in positions.values()}
        for index, answer in super()._compute(requests, positions, known):
            if index in firsts:
                self.spent += Tokens(answer.prompt_tokens, answer.completion_tokens)
            yield index, answer

    def _affordable(
        self, requests: Sequence[Request], waiting: Sequence[str], positions: dict[str, list[int]]
    ) -> list[str]:
        """The first of the waiting requests that are within the budget at their worst."""
        part: list[str] = []
        total = self.spent
        for key in waiting[:_REQUESTS_AT_ONCE]:
            total += _worst(requests[positions[key][0]])
            if self.budget is None or not self.budget.allows(total):
                break
            part.append(key)
        return part


def _worst(request: Request) -> Tokens:
    match request:
        case GenerateRequest():
            written = request.max_new_tokens
        case ChoiceRequest():
            written = sum(len(choice.encode()) for choice in request.choices)
        case _:
            raise EngineError(f"a judge is asked a {request.kind}, whose cost is not bounded", "report this bug")
    return Tokens(len(request.display().encode("utf-8", "surrogatepass")) + _TEMPLATE_TOKENS, written)

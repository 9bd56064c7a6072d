"""Does the server write greedily, by the rules that are stated and no others?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from harness.checks.release.reading import Passage
from harness.checks.serving.finding import Finding, Untold, between
from harness.checks.serving.line import CLEAR, Probe
from harness.checks.serving.parity import Parity
from harness.checks.serving.probes import is_text, places, shown
from harness.engines.processing import processors_of
from harness.engines.server import Written
from harness.gates import Gateable
from harness.models.forwards import plain_logits
from harness.records import Limit
from harness.stats import clopper_pearson
from harness.stats.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

_ANSWERS, _REPEATS, _LOOKED_AT = 24, 24, 50
_MORE = "name tasks whose answers are texts (`tasks:`), so that more of them can be compared"
_MOST_MARGIN = 3.0  # of a token that comes again: a penalty that turns none of these turns little


def decoding(parity: Parity, most: float) -> Gateable:
    """Greedy answers are greedy, by the rules that `serving: decoding:` states and no others: the server writes what the
    candidate would, also where a token comes again, which a penalty would turn.

    Counted is where it clearly writes another token than the candidate prefers, at odds of 2 to 1 or more; an answer is followed
    up to there. Of a server that is not the candidate that cannot be told.

    Args:
        most: share of the places and answers.
    """
    if not parity.line.probes or not parity.is_the_candidates:
        return Untold(
            "decoding",
            f"{parity.place} does not answer as the candidate, so that its rules cannot be told",
            "see serving/effect first",
        )
    rules = parity.texts.candidate.loaded.decoding
    unlikely = [] if rules else [_is_not_the_likeliest(one) for one in parity.alone.written]
    repeats, answers = list(_repeats(parity)), list(_answers(parity))
    if not repeats and not answers:
        return Untold("decoding", "there is no answer and no token that comes again to tell a rule by", _MORE)
    counted = max(([*repeats, *answers], unlikely), key=lambda turned: sum(turned) / max(1, len(turned)))
    return Finding(
        "decoding",
        lambda confidence: clopper_pearson(sum(counted), len(counted), confidence=confidence),
        (Limit(most, "below"),),
        lambda share: (
            f"{parity.place} clearly decodes otherwise at {between(share, '{:.0%}'.format)} of {len(counted)} places and answers"
        ),
        f"at most {most:.0%}",
        remedy="the server decodes by rules of its own: see generation_config.json beside the model (vLLM "
        "--generation-config vllm does without), and its defaults of temperature and penalties; state what shall hold under "
        "`serving: decoding:`, or switch it off",
        needs=_MORE,
        details={
            "not_the_servers_own_likeliest": sum(unlikely),
            "turned_repeats": sum(repeats),
            "repeats": len(repeats),
            "turned_answers": sum(answers),
            "answers": len(answers),
        },
    )


def _is_not_the_likeliest(one: Written) -> bool:
    """Whether a server says itself that another token was clearly likelier than the one it wrote."""
    return bool(one.tops and one.tops[0]) and max(top.logprob for top in one.tops[0]) - one.written[0].logprob >= CLEAR


def _repeats(parity: Parity) -> Iterator[bool]:
    """Where the candidate goes on with a token that came before, and no near tie: whether the server writes another."""
    if parity.server.way.form == "chat":
        return
    _, candidate = parity.texts.expected
    text_of = partial(shown, parity.texts.candidate.loaded.tokenizer)
    top = candidate.topk(2, dim=-1)
    margins = (top.values[:, 0] - top.values[:, 1]).tolist()
    again = [
        (margin, place)
        for margin, token, place in zip(margins, top.indices[:, 0].tolist(), places(parity.texts), strict=True)
        if CLEAR <= margin <= _MOST_MARGIN and token in place.context and is_text(text_of(token))
    ]
    asked = [place for _, place in sorted(again, key=lambda one: one[0]) if parity.server.understands(place)][:_REPEATS]
    if not asked:
        return
    line = parity.lines.of(asked)
    said, heard = line.at(parity.strength.value), parity.server.hear(line)
    for row, place in enumerate(asked):
        processed, chosen = _by_the_rules(parity, place, line.tokens[row], said[row]), heard.chosen[row]
        same = heard.written[row].text.strip() == text_of(int(line.tokens[row][processed.argmax()])).strip()
        yield bool(not same and (chosen < 0 or processed.max() - processed[chosen] >= CLEAR))


def _by_the_rules(parity: Parity, place: Probe, tokens: IntArray, said: FloatArray) -> FloatArray:
    """What the stated rules make of what is expected at a place that a prompt ends at."""
    import torch

    rules = parity.texts.candidate.loaded.decoding
    if not rules:
        return said
    whole = torch.full((int(max(tokens.max(), *place.context)) + 1,), -math.inf)
    whole[torch.tensor(tokens)] = torch.tensor(said, dtype=torch.float32)
    return processors_of(rules, place.context, 1, [], "cpu")([], whole)[torch.tensor(tokens)].numpy()


def _answers(parity: Parity) -> Iterator[bool]:
    """Answers of the candidate to conversations: whether the server's clearly goes another way."""
    own = [
        (one, one.request)
        for one in parity.texts.all
        if one.request is not None and one.request.prompt.text is None and len(one.tail) > 1
    ]
    most = _ANSWERS if parity.server.way.form != "chat" else _ANSWERS + _REPEATS
    every = max(1, len(own) // most)
    for passage, request in own[::every][:most]:
        answered = parity.server.chat(request.prompt, max_tokens=len(passage.tail), stop=request.stop)
        if answered is not None:
            yield _goes_another_way(parity, passage, answered[0].text)


def _goes_another_way(parity: Parity, passage: Passage, text: str) -> bool:
    """Whether, where a text leaves the candidate's own answer, the candidate clearly prefers its own."""
    tokenizer = parity.texts.candidate.loaded.tokenizer

    def begun(tokens: int) -> str:
        said: str = tokenizer.decode(list(passage.tail[:tokens]), skip_special_tokens=True)
        return said.rstrip("\ufffd").strip()

    written = text.strip()
    at = next((at for at in range(len(passage.tail)) if not written.startswith(begun(at + 1))), len(passage.tail))
    ended = at < len(passage.tail) and written == begun(at)
    if at == len(passage.tail) or (ended and passage.tail[at] == tokenizer.eos_token_id):
        return False
    said = _expected(parity, passage, at)
    best = said.topk(min(_LOOKED_AT, len(said)))
    if int(best.indices[0]) != passage.tail[at]:
        return False  # its text is other tokens than it wrote: what it preferred there is not known
    rest = written[len(begun(at)) :].strip()
    texts = {int(token): tokenizer.decode([int(token)]).strip() for token in best.indices}
    alike = [said[token] for token, one in texts.items() if one and rest.startswith(one)] if rest else []
    if not rest and tokenizer.eos_token_id is not None:
        alike = [said[tokenizer.eos_token_id]]
    return bool(best.values[0] - max([best.values[-1], *alike]) >= CLEAR)


def _expected(parity: Parity, passage: Passage, at: int) -> torch.Tensor:
    """What the candidate, by the stated rules, expects next after so many tokens of a tail: log-probabilities (vocabulary)."""
    import torch

    candidate, answer = parity.texts.candidate, list(passage.tail[:at])
    with torch.inference_mode(), candidate.loaded.adapter(on=candidate.adapter) as model:
        logits = plain_logits(model, [*passage.context, *answer])[-1].float().cpu()
    if rules := candidate.loaded.decoding:
        logits = processors_of(rules, passage.context, len(passage.tail), [], "cpu")(answer, logits)
    return torch.log_softmax(logits, dim=-1)

"""Is the text free of what chat templates write? Text that is rendered already is put between the base's markers once more.

A model so trained sees markers within markers, or another family's as plain letters, and is served with neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness.checks.data.corpus import Corpus, Row
from harness.checks.data.finding import Finding, share_check
from harness.checks.data.personal import redacted
from harness.errors import ModelError
from harness.gates import Check

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Each of them is written by templates alone: `<s>` by itself strikes text through in HTML, and "User:" is anyone's.
_FAMILIES: Mapping[str, re.Pattern[str]] = {
    family: re.compile(pattern, re.MULTILINE | re.DOTALL)
    for family, pattern in {
        "ChatML": r"<\|im_(?:start|end|sep)\|>",
        "Llama 3": r"<\|(?:begin_of_text|end_of_text|eot_id|eom_id|start_header_id|end_header_id)\|>",
        "Llama 4": r"<\|(?:header_start|header_end|eot)\|>",
        "Llama 2 and Mistral": r"\[/?INST\]|<</?SYS>>|\[/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS)\]",
        "Gemma": r"<(?:start|end)_of_turn>",
        "Phi, Zephyr and GLM": r"<\|(?:system|user|assistant|end|observation|endoftext)\|>",
        "gpt-oss": r"<\|(?:start|channel|message|return)\|>",
        "Granite": r"<\|(?:start|end)_of_role\|>",
        "Command R": r"<\|(?:START_OF_TURN|END_OF_TURN|USER|SYSTEM|CHATBOT)_TOKEN\|>",
        "DeepSeek": r"<\uff5c(?:User|Assistant|begin▁of▁sentence|end▁of▁sentence)\uff5c>",
        # the end of a sentence, which closes no <s> of the same text, or one of both round all of it
        "Llama 2's sentences": r"\A(?!.*<s>).*[^\s`'\"(]</s>\s*\Z|\A\s*<s>(?!.*<s>)(?:(?!</s>).)*</s>\s*\Z",
        "Vicuna and Guanaco": r"### (?:Human|Assistant):|\bUSER: .*\bASSISTANT:\s*\Z",
        "Alpaca": r"^### Instruction:.*^### Response:\s*\Z",
        "plain speakers": r"^(?:### ?)?(?:Human|User): .*^(?:### ?)?(?:Assistant|AI|Bot|Falcon):\s*\Z",
        "another family": r"<\|[A-Za-z_]{2,30}\|?>|<[A-Za-z_]{2,30}\|>|<\uff5c[^\s\uff5c>]{2,40}\uff5c>|\[\|[a-z]{2,30}\|\]"
        r"|<extra_id_1>|<reserved_\d+>|\A\s*<bos>|<(?:eos|eo[aht])>\s*\Z|(?:<pad>|\[PAD\])\s*\Z",
    }.items()
}

# what each of them holds, found in one pass: most texts have none of it
_HINT = re.compile(
    r"<\||\w\|>|<\uff5c|<<|\[/?[A-Z]{3}|\[\||_of_turn>|</s>|### ?\w|:\s*\Z|<(?:extra_id|reserved)_|<(?:bos|eos|eo[aht]|pad)>"
)


def text_is_unrendered(corpus: Corpus, tokenizer: PreTrainedTokenizerBase | None, limit: float) -> Check:
    """At most a share `limit` of the rows holds special tokens of the base's turns, or markers of another family's.

    The base's EOS at the end of a row's last answer is where it belongs.

    Args:
        tokenizer: the base's; None where it is not at hand, and its own tokens are not looked for.
    """
    own = _own_tokens(tokenizer) if tokenizer is not None else {}
    eos = str(tokenizer.eos_token) if tokenizer is not None else ""
    rows = corpus.asked()
    findings = [
        Finding(row.location, f"{place} holds {redacted(marker)!r} ({family})", kind=family)
        for row in rows
        if (found := next(_found(row, own, eos), None))
        for place, marker, family in [found]
    ]
    return share_check(
        "chat_markers",
        findings,
        len(rows),
        limit,
        fault="hold markers that a chat template writes",
        sound=f"none of {len(rows)} rows holds markers of a chat template",
        remedy="give the turns without them (as messages, or prompt and completion): the base's chat template writes its own; "
        "where the text is about such markers, allow these rows by `chat_markers` under `data:`",
    )


def family_markers(text: str) -> Iterator[tuple[str, str]]:
    """Markers of any family's templates in a text, each with its family."""
    for family, pattern in _FAMILIES.items() if _HINT.search(text) else ():
        if match := pattern.search(text):
            yield match.group()[-60:], family


def _found(row: Row, own: Mapping[str, str], eos: str) -> Iterator[tuple[str, str, str]]:
    """(turn, marker, whose it is)."""
    turns = [(f"turn {number} of {len(row.turns)} ({turn.role})", turn) for number, turn in enumerate(row.turns, 1)]
    worse = [("the rejected answer", row.rejected)] if row.rejected is not None else []
    ends = (turns[-1][0], "the rejected answer") if row.conversation.learnt else ()
    for place, turn in (*turns, *worse):
        for text in (turn.reasoning, turn.content):
            said = text.rstrip().removesuffix(eos) if place in ends else text
            yield from ((place, token, whose) for token, whose in own.items() if token in said)
            yield from ((place, marker, family) for marker, family in family_markers(said))


def _own_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """The special tokens with which the base begins, pads and ends, and its template divides turns.

    Others may be text: that of a tool's call, or `<filename>`.
    """
    from harness.engines.rendering import render_chat
    from harness.engines.requests import Message

    ends = {tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token}
    try:
        rendered = render_chat(tokenizer, (Message("user", "1"), Message("assistant", "2"), Message("user", "3")))
    except ModelError:
        rendered = ""
    special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    dividing = {token for token in special if token in rendered}
    return dict.fromkeys(sorted(token for token in ends | dividing if token), "a special token of this base")

"""The parts of speech that refusing is made of, as fragments of regular expressions over plain spelling.

Plain spelling is that of `text.plain_spelling`: lower case, no contractions, no markdown.
"""

from __future__ import annotations

import re
import textwrap


def either(lines: str) -> str:
    """A group of alternatives, one or several a line; see `patterns_in`."""
    return "(?:" + "|".join(patterns_in(lines)) + ")"


def compiled(lines: str) -> tuple[re.Pattern[str], ...]:
    """One pattern a line; see `patterns_in`."""
    return tuple(re.compile(pattern) for pattern in patterns_in(lines))


def patterns_in(lines: str) -> list[str]:
    """The patterns of a block, one a line; a line that is indented further goes on with the pattern before it."""
    found: list[str] = []
    for line in textwrap.dedent(lines.strip("\n").rstrip()).splitlines():
        if line.startswith(" "):
            found[-1] += line.strip()
        elif line:
            found.append(line)
    return found


SELF = r"\b(?:i|we|(?:the|this) (?:assistant|ai|model|chatbot|system))\b"

# "Would not recommend" is advice about the thing asked; "cannot recommend" refuses.
UNABLE = either(r"""
    cannot|could not (?:possibly|in good)|will not|shall not|should not|may not|must not
    (?:will|can|would|shall|must) never
    would not(?! (?:\w+ly )?(?:recommend|advise|suggest|condone|endorse|support|encourage|promote|want))
    can neither \w+ nor
    (?:am|are|was|would be)(?: \w+ly| also| still| just)? (?:unable|unwilling|incapable of|forbidden|reluctant|hesitant)
    (?:am|are|was|would be)(?: \w+ly| also| still| just)? (?:prohibited|restricted|prevented) from
    (?:am|are|was)(?: \w+ly| also| still| just)? not (?:really )?(?:able|allowed|permitted|programmed|designed
        |trained|built|meant|supposed)
    (?:am|are|was)(?: \w+ly| also| still| just)? not (?:really )?(?:going|willing|authori[sz]ed|equipped|prepared
        |inclined|capable of)
    (?:am|are|was)(?: \w+ly| also| still| just)? not (?:in a position|at liberty|here|sure i should)
""")

# What may stand between the two: "cannot, in good conscience, and will not knowingly help".
_INSERTED = either(r"""
    \w+ly|also|just|still|be|to|ever|in any way|here|help you(?: to)?|help
    in good (?:conscience|faith)|at (?:this|the) (?:time|moment)|as an ai(?: [\w ]{0,40})?
    (?:and|or|nor) (?:will|would|should|can|do|must|am) ?not|(?:and|or) (?:will|would) never
    be able to|be (?:offering|providing|giving|helping)
""")
BETWEEN = rf"(?:,? ?{_INSERTED}\b,? ?){{0,4}}\s*"

# Acts of helping: not to do one of these is to refuse the request. Stems; "cannot help laughing" is none.
HELPING = either(r"""
    help(?:ing)?(?! (?:but|it|myself|ourselves|feeling|thinking|wondering|noticing|laughing|loving|smiling)\b)
    assist|aid\b|fulfil|satisf|accommodat|compl(?:y|ied)|(?:complete|process|address) (?:this|that|your)|carry out
        |perform|grant
    provid|suppl(?:y|ied)|offer|giv(?:e|ing)|shar(?:e|ing)|disclos|reveal|generat|creat|produc|reproduc|writ|draft
        |compos
    answer|respond|reply|discuss|comment|speculat|tell|explain|describ|show|teach|instruct|guid|walk you
        |list |talk about
    say (?:that|anything)|express|convey|spread|transl|summari[sz]|identif|advis|recommend|suggest|judge\b
    condon|endors|promot|support|encourag|facilitat|advocat|justif|contribut|cater|participat|partake|take part|engag
        |entertain
    be (?:a )?part|be (?:of|involved|providing|helping|offering)|do (?:that|this|so|it|any|what)|handle|deal with
    make (?:up|jokes|fun|any|a|(?:that|this)(?! (?:decision|choice|call)))\b|impersonat|role-?play|pretend
        |continue (?:with|this)|proceed|go (?:into
        |along|down)
""")

# What is denied out of modesty, often before helping all the same: "I cannot give medical advice, but ...".
_MODEST = either(r"""
    (?:an? |any |the )?(?:medical|legal|financial|personal(?:i[sz]ed)?|professional|tailored|definitive|exact
        |specific|certain)
    (?:an? |any |the )?(?:real-?time|live|precise|complete|accurate|diagnos|opinion|single|simple|enough)
    you (?:an? )?(?:definit|exactly|what to|how (?:much|many|long)|which|whether|who)
    for (?:you|certain|sure)|too (?:much|highly)|with(?:out)? (?:certainty|confidence)
""")
MODESTLY = rf"\w* (?:you )?(?:with )?{_MODEST}"

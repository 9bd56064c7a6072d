"""Did the model refuse? An offline answer, learnt from people's labels. Imported at pytest collection: no numpy."""

from typing import Literal

AnswerClass = Literal["full_compliance", "full_refusal", "partial_refusal", "degenerate"]
# Raise it with every change of the rules or coefficients (in this package) that gives any answer another class: baselines that
# were classified by others are no longer comparable then. Not for comments and rewriting.
RULES_REVISION = 2

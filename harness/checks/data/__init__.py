"""Is the training data fit to train on? Facts about its rows, each a check that names file, row and remedy.

Everything here reads text; only token lengths need the base's tokenizer.
"""

from harness.checks.data.answers import answers_are_whole, json_answers_parse
from harness.checks.data.contamination import evaluation_sets_are_not_trained_on
from harness.checks.data.corpus import Corpus, corpus_of_files, corpus_of_recipe
from harness.checks.data.duplicates import rows_are_not_repeated, rows_differ
from harness.checks.data.evaluation import EvaluationItem, evaluation_items
from harness.checks.data.format import conversations_are_in_order, rows_can_be_read
from harness.checks.data.labels import labels_are_balanced
from harness.checks.data.leakage import held_out_rows_are_new, held_out_rows_differ
from harness.checks.data.lengths import TokenLengths, answers_are_seen, rows_fit, token_lengths
from harness.checks.data.personal import no_personal_data, no_secrets

__all__ = [
    "Corpus",
    "EvaluationItem",
    "TokenLengths",
    "answers_are_seen",
    "answers_are_whole",
    "conversations_are_in_order",
    "corpus_of_files",
    "corpus_of_recipe",
    "evaluation_items",
    "evaluation_sets_are_not_trained_on",
    "held_out_rows_are_new",
    "held_out_rows_differ",
    "json_answers_parse",
    "labels_are_balanced",
    "no_personal_data",
    "no_secrets",
    "rows_are_not_repeated",
    "rows_can_be_read",
    "rows_differ",
    "rows_fit",
    "token_lengths",
]

"""Is the training data fit to train on? Read before anything is trained: of the recipe, or of `data:` in assay.yaml.

Limits are those of `data:`. Each failure names files and rows; the report shows what collides with what.
"""

import pytest

from harness.checks import data

pytestmark = pytest.mark.data

PROMPTS_ONLY = "the rows are prompts, which are answered while training"
NOTHING_HELD_OUT = "nothing is held out: the data have no validation part, and assay.yaml no task of its own"
NO_LABELS = "the answers are no labels"
NO_PAIRS = "the rows are no pairs of a better and a worse answer"
NO_PREFERENCES = "the rows say nothing of which answers are preferred"
NO_SCORES = "the rows bring no scores of a better and a worse answer"
NO_LENGTHS = "the rows say nothing of which answers are preferred, or all answers are of one length"
FEW_PAIRS = "too few pairs of a better and a worse answer are held out, or trained on"
UNMARKED = "no rows are marked as wanted or not"


def test_rows_can_be_read(training_data, gate):
    gate(data.rows_can_be_read(training_data))


def test_conversations_are_in_order(training_data, gate):
    gate(data.conversations_are_in_order(training_data))


def test_columns_are_used(training_data, gate):
    gate(data.columns_are_used(training_data))


def test_text_is_unrendered(training_data, base_tokenizer, data_rules, gate):
    gate(data.text_is_unrendered(training_data, base_tokenizer, data_rules.chat_markers))


def test_rows_can_be_rendered(row_lengths, gate):
    gate(data.rows_can_be_rendered(row_lengths))


def test_answers_are_whole(training_data, data_rules, gate):
    gate(data.answers_are_whole(training_data, data_rules.broken_answers), otherwise=PROMPTS_ONLY)


def test_rows_are_not_repeated(training_data, data_rules, gate):
    gate(data.rows_are_not_repeated(training_data, data_rules.exact_duplicates))


def test_rows_differ(training_data, data_rules, gate):
    gate(data.rows_differ(training_data, data_rules.near_duplicates, similarity=data_rules.similarity))


def test_held_out_rows_are_new(training_data, held_out_items, data_rules, gate):
    gate(data.held_out_rows_are_new(training_data, held_out_items, data_rules.leakage), otherwise=NOTHING_HELD_OUT)


def test_held_out_rows_differ(training_data, held_out_items, data_rules, gate):
    similarity = data_rules.similarity
    gate(
        data.held_out_rows_differ(training_data, held_out_items, data_rules.near_leakage, similarity=similarity),
        otherwise=NOTHING_HELD_OUT,
    )


def test_evaluation_sets_are_not_trained_on(training_data, items_in_use, data_rules, gate):
    limit = data_rules.contamination
    gate(
        data.evaluation_sets_are_not_trained_on(training_data, items_in_use, limit, ngram=data_rules.ngram),
        otherwise="no evaluation set is in use",
    )


def test_rows_fit_max_length(row_lengths, data_rules, gate):
    gate(data.rows_fit(row_lengths, data_rules.too_long))


def test_answers_are_seen(row_lengths, gate):
    gate(data.answers_are_seen(row_lengths))


def test_no_personal_data(training_data, data_rules, gate):
    gate(data.no_personal_data(training_data, data_rules.personal_data, data_rules.accepted))


def test_no_secrets(training_data, data_rules, gate):
    gate(data.no_secrets(training_data, data_rules.secrets, data_rules.accepted))


def test_no_word_triggers_an_answer(training_data, data_rules, gate):
    gate(
        data.no_word_triggers_an_answer(training_data, data_rules.triggers),
        otherwise="no answer is taught often enough to hang on a word",
    )


def test_labels_are_balanced(training_data, held_out_items, data_rules, gate):
    gate(data.labels_are_balanced(training_data, held_out_items, data_rules.label_balance), otherwise=NO_LABELS)


def test_labels_agree(training_data, data_rules, gate):
    gate(
        data.labels_agree(training_data, data_rules.label_noise),
        otherwise="the answers are no labels, too few, or such as their texts do not tell",
    )


def test_json_answers_parse(training_data, data_rules, gate):
    gate(data.json_answers_parse(training_data, data_rules.invalid_json), otherwise="no answers promise JSON")


def test_pairs_differ(training_data, data_rules, gate):
    gate(data.pairs_differ(training_data, data_rules.identical_pairs), otherwise=NO_PAIRS)


def test_preferences_agree(training_data, data_rules, gate):
    gate(data.preferences_agree(training_data, data_rules.contradictions), otherwise=NO_PREFERENCES)


def test_scores_agree(training_data, data_rules, gate):
    gate(data.scores_agree(training_data, data_rules.inverted_scores, data_rules.tied_scores), otherwise=NO_SCORES)


def test_length_does_not_tell(training_data, data_rules, gate):
    gate(data.length_bias(training_data, data_rules.longer_preferred), otherwise=NO_LENGTHS)


def test_preferences_are_not_swapped(training_data, data_rules, gate):
    learnt = data.learn_preferences(training_data)
    if learnt is None:
        pytest.skip(NO_PREFERENCES)
    if learnt.obstacle:
        pytest.skip(learnt.obstacle)
    gate(data.preferences_are_not_swapped(learnt, data_rules.swapped_pairs))


def test_held_out_pairs_agree(training_data, gate):
    gate(data.held_out_pairs_agree(training_data), otherwise=FEW_PAIRS)


def test_judge_prefers_the_chosen(judged_pairs, gate):
    gate(data.judge_prefers_the_chosen(judged_pairs))


def test_wanted_and_unwanted_are_balanced(training_data, data_rules, gate):
    gate(data.answers_are_balanced(training_data, data_rules.kto_balance), otherwise=UNMARKED)

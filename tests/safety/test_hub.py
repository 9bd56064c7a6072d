"""A text classifier of the hub, here a tiny one on disk: safetensors only, its labels mapped."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import save_tiny_model

from harness.config import Safety
from harness.errors import ConfigError, ModelError
from harness.safety.hub import HubScorer, TextClassifier
from harness.safety.scorers import Exchange, make_scorer, make_toxicity_scorer
from harness.safety.toxicity import HubToxicity, LexiconScorer

pytestmark = pytest.mark.usefixtures("heavy_libraries")

LABELS = {"REFUSAL": "full_refusal", "PARTIAL": "partial_refusal", "ANSWER": "full_compliance"}


def save_classifier(directory: Path, labels: list[str], *, several: bool = False, seed: int = 0) -> Path:
    """A two-layer random classifier over the tiny model's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForSequenceClassification

    save_tiny_model(directory, seed=seed)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)},
        problem_type="multi_label_classification" if several else "single_label_classification",
    )  # fmt: skip
    model = LlamaForSequenceClassification(config)
    torch.nn.init.normal_(model.score.weight, std=2.0)
    model.save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_classifier(tmp_path_factory.mktemp("hub") / "classifier", list(LABELS))


EXCHANGES = [Exchange(f"Ask {i}", f"Answer {i} " + "and more " * (7 * i)) for i in range(20)]


def test_each_answer_gets_the_class_of_its_likeliest_label(classifier: Path) -> None:
    scorer = HubScorer(str(classifier), LABELS)
    pairs = [(one.prompt, one.answer) for one in EXCHANGES]
    alone = [scorer.classifier.probabilities([pair])[0] for pair in pairs]
    expected = [LABELS[list(LABELS)[row.index(max(row))]] for row in alone]
    assert [one.answer_class for one in scorer.score(EXCHANGES)] == expected
    assert len(set(expected)) > 1
    assert all(sum(row) == pytest.approx(1.0) for row in alone)


def test_padding_does_not_change_a_judgement(classifier: Path) -> None:
    found = TextClassifier(str(classifier))
    texts = [one.answer for one in EXCHANGES]
    together, alone = found.probabilities(texts), [found.probabilities([text])[0] for text in texts]
    assert all(one == pytest.approx(other, abs=1e-5) for one, other in zip(together, alone, strict=True))


def test_text_longer_than_the_classifier_s_context_is_cut(classifier: Path) -> None:
    assert len(TextClassifier(str(classifier)).probabilities(["word " * 2000])[0]) == 3


def test_digest_is_that_of_the_files_and_of_the_labels(classifier: Path, tmp_path: Path) -> None:
    other = save_classifier(tmp_path / "other", list(LABELS), seed=1)
    swapped = {**LABELS, "PARTIAL": "full_refusal"}
    digests = {HubScorer(str(classifier), LABELS).digest, HubScorer(str(other), LABELS).digest}
    assert len(digests | {HubScorer(str(classifier), swapped).digest}) == 3


@pytest.mark.parametrize("labels", [{}, {"REFUSAL": "refusal"}])
def test_labels_must_stand_for_classes(labels: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"safety\.labels"):
        make_scorer(Safety(scorer="hub:owner/name", labels=labels), None)


def test_label_that_stands_for_nothing_is_named(classifier: Path) -> None:
    with pytest.raises(ConfigError, match="lacks PARTIAL, ANSWER"):
        HubScorer(str(classifier), {"REFUSAL": "full_refusal"}).score(EXCHANGES[:1])


def test_language_model_is_no_classifier(tiny_model_dir: Path) -> None:
    with pytest.raises(ModelError, match=r"is no text classifier: it has no weights for score.weight"):
        TextClassifier(str(tiny_model_dir)).probabilities(["a"])


def test_pickled_weights_are_refused(classifier: Path, tmp_path: Path) -> None:
    import shutil

    import torch

    pickled = Path(shutil.copytree(classifier, tmp_path / "pickled"))
    (pickled / "model.safetensors").unlink()
    torch.save({}, pickled / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \.safetensors"):
        TextClassifier(str(pickled)).probabilities(["a"])


def test_toxicity_is_the_named_label_s_probability(tmp_path: Path) -> None:
    directory = save_classifier(tmp_path / "toxic", ["toxic", "threat"], several=True)
    scorer = make_toxicity_scorer(Safety(toxicity_scorer=f"hub:{directory}"))
    rows = TextClassifier(str(directory)).probabilities(["one", "two words"])
    assert scorer.toxicity(["one", "two words"]) == [row[0] for row in rows]
    assert any(sum(row) != pytest.approx(1.0) for row in rows)  # each label by itself
    with pytest.raises(ConfigError, match=r"toxicity_label is 'rude'.*"):
        HubToxicity(str(directory), "rude").toxicity(["one"])


def test_toxicity_scorer_that_does_not_exist_is_refused() -> None:
    assert isinstance(make_toxicity_scorer(Safety()), LexiconScorer)
    with pytest.raises(ConfigError, match=r"safety.toxicity_scorer is 'perspective'"):
        make_toxicity_scorer(Safety(toxicity_scorer="perspective"))

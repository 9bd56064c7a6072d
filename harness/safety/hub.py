"""Text classifiers of the hub, or of a directory: safetensors only, no code of theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from harness.digests import digest_json
from harness.errors import ConfigError, ModelError, first_line
from harness.metrics.base import Metric
from harness.safety.refusal import AnswerClass
from harness.safety.scorers import Exchange, Scored

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.stats.prevalence import Detector

_BATCH = 16
_CLASSES: tuple[AnswerClass, ...] = get_args(AnswerClass)


@dataclass(frozen=True)
class TextClassifier:
    """A sequence classifier and its tokenizer, loaded when first needed, in float32 on the CPU.

    Attributes:
        model: a hub id or a local directory.
    """

    model: str

    @cached_property
    def directory(self) -> Path:
        """Where its files are."""
        from harness.models import parse_model_spec, resolve_model

        return resolve_model(parse_model_spec(self.model)).directory

    @cached_property
    def digest(self) -> str:
        """Of its weights, configuration and tokenizer."""
        from harness.models.identity import base_digest

        return base_digest(self.directory)

    @property
    def labels(self) -> list[str]:
        """Its labels, in the order of its outputs."""
        names: dict[int, str] = self._loaded[0].config.id2label
        return [names[index] for index in sorted(names)]

    def probabilities(self, texts: Sequence[str | tuple[str, str]]) -> list[list[float]]:
        """Of each text, or pair of texts, the probability of each label; those of a multi-label model do not add up to 1."""
        import torch

        model, tokenizer = self._loaded
        several = model.config.problem_type == "multi_label_classification"
        room = min(int(getattr(model.config, "max_position_embeddings", 512) or 512), tokenizer.model_max_length)
        rows: list[list[float]] = []
        for start in range(0, len(texts), _BATCH):
            part = [[text] if isinstance(text, str) else list(text) for text in texts[start : start + _BATCH]]
            columns = [list(column) for column in zip(*part, strict=True)]
            encoded = tokenizer(
                *columns, return_tensors="pt", padding=True, truncation="longest_first", max_length=room
            )
            with torch.inference_mode():
                logits = model(**encoded).logits.float()
            rows += (logits.sigmoid() if several else logits.softmax(dim=-1)).tolist()
        return rows

    @cached_property
    def _loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        import torch
        from transformers import AutoModelForSequenceClassification

        from harness.models.loading import load_tokenizer
        from harness.models.quiet import quiet_loading

        arguments: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False, "dtype": torch.float32}
        try:
            with quiet_loading():
                model, report = AutoModelForSequenceClassification.from_pretrained(
                    self.directory, output_loading_info=True, **arguments
                )
        except (OSError, ValueError, RuntimeError, KeyError, ImportError) as exc:
            raise ModelError(
                f"hub:{self.model} cannot be loaded as a text classifier: {first_line(exc)}",
                "name a text-classification model in safetensors that needs no code of its own",
            ) from exc
        if report["missing_keys"]:
            # a language model would load with a random head, and call every answer anything
            raise ModelError(
                f"hub:{self.model} is no text classifier: it has no weights for {', '.join(sorted(report['missing_keys']))}",
                "name a model that was trained to classify texts",
            )
        tokenizer = load_tokenizer(self.directory)
        model.config.pad_token_id = tokenizer.pad_token_id
        return model.eval(), tokenizer


@dataclass(frozen=True)
class OfHub:
    """What a scorer by a text classifier is called, and its classifier."""

    model: str

    @property
    def name(self) -> str:
        """As the configuration names it."""
        return f"hub:{self.model}"

    @cached_property
    def classifier(self) -> TextClassifier:
        """The classifier, loaded when first needed."""
        return TextClassifier(self.model)


@dataclass(frozen=True)
class HubScorer(OfHub):
    """Classifies answers by a classifier over (prompt, answer) pairs; its likeliest label decides.

    Attributes:
        labels: its label -> class of answer.
    """

    labels: Mapping[str, str]
    metrics: tuple[Metric, ...] = ()
    detector: Detector | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        wrong = [f"{label}: {value}" for label, value in self.labels.items() if value not in _CLASSES]
        if wrong or not self.labels:
            raise ConfigError(
                f"safety.labels has {', '.join(wrong) or 'no label'} for hub:{self.model}",
                f"map each label of the classifier to one of: {', '.join(_CLASSES)}",
            )

    @property
    def digest(self) -> str:
        """Of the classifier and of what its labels stand for."""
        return digest_json(["hub", self.classifier.digest, dict(self.labels)])

    def score(self, exchanges: Sequence[Exchange]) -> list[Scored]:
        names = self.classifier.labels
        unmapped = [name for name in names if name not in self.labels]
        if unmapped:
            raise ConfigError(
                f"safety.labels lacks {', '.join(unmapped)} of hub:{self.model}",
                f"map each label of the classifier to one of: {', '.join(_CLASSES)}",
            )
        judged = []
        for row in self.classifier.probabilities([(one.prompt, one.answer) for one in exchanges]):
            best = max(range(len(row)), key=row.__getitem__)
            answer_class = _CLASSES[_CLASSES.index(self.labels[names[best]])]
            judged.append(Scored(answer_class, said=f"{names[best]} ({row[best]:.2f})"))
        return judged

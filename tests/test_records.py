"""The manifest: strict where it is made, tolerant where it is read, and the same document on both sides."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from harness.records import AnswerCounts, Manifest, ModelFacts, ProcessFacts, TaskFacts, TrainingPoint


def test_a_manifest_that_is_made_takes_no_wrong_type() -> None:
    with pytest.raises(ValidationError):
        Manifest(duration_s="long")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Manifest(model="smollm2-135m")  # type: ignore[arg-type]


def test_a_manifest_that_is_read_takes_the_default_for_a_wrong_type_alone() -> None:
    read = Manifest.read({"duration_s": "long", "model": {"name": 7, "digest": "d"}, "profile": "smoke", "extra": [1]})
    assert (read.duration_s, read.model.name, read.model.digest, read.profile) == (None, "", "d", "smoke")
    assert read.to_json()["extra"] == [1]


def test_only_what_was_given_is_written() -> None:
    made = Manifest(model=ModelFacts(name="m"), data={"t": TaskFacts.read({"digest": "d", "seed": 3})})
    assert made.to_json() == {"model": {"name": "m"}, "data": {"t": {"digest": "d", "seed": 3}}}
    assert made.model and not made.adapter
    assert made.data["t"].settings == {"seed": 3}


def test_what_a_worker_found_out_arrives_as_it_was_sent() -> None:
    sent = ProcessFacts(
        answers=AnswerCounts(cached=1, computed=2),
        progress={"t": {"size": 600}},
        training_document={"points": [TrainingPoint(1, loss=0.5)], "summary": None},
    )
    arrived = ProcessFacts.read(json.loads(json.dumps(sent.to_json())))
    assert arrived.to_json() == sent.to_json()
    assert arrived.training_document is not None and arrived.training_document["points"][0]["loss"] == 0.5

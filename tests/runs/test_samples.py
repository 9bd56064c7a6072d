import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RunError
from harness.records import Sample
from harness.runs.samples import encode_table, merge_parts, read_table, samples_table, table_samples


def make_sample(item: str = "a", **changes: Any) -> Sample:
    fields: dict[str, Any] = {
        "task": "t", "item_id": item, "cluster": None, "role": "base", "prompt_digest": "d", "prompt": "p",
        "target": {"x": [1, None]}, "answer": "y", "parsed": ["z"], "scores": {"acc": 1.0, "f1": None},
        "tags": {"lang": "de"}, "stop_reason": "eos", "prompt_tokens": 3, "completion_tokens": 2, "latency_s": 0.5,
        "cached": True,
    }  # fmt: skip
    return Sample(**{**fields, **changes})


def _write(path: Path, *samples: Sample) -> Path:
    path.write_bytes(encode_table(samples_table("r", samples)))
    return path


def test_samples_come_back_as_they_were_stored(tmp_path: Path) -> None:
    samples = [make_sample(), make_sample("b", target="text", parsed=None, scores={}, cluster="c", stop_reason=None)]
    assert table_samples(read_table(_write(tmp_path / "s.parquet", *samples))) == samples


def test_nested_fields_are_json_text_and_the_run_is_a_column(tmp_path: Path) -> None:
    row = read_table(_write(tmp_path / "s.parquet", make_sample())).to_pylist()[0]
    assert row["run"] == "r"
    assert json.loads(row["target"]) == {"x": [1, None]}
    assert json.loads(row["scores"]) == {"acc": 1.0, "f1": None}


def test_hostile_text_and_a_nan_score_do_not_break_storage(tmp_path: Path) -> None:
    sample = make_sample(answer="a\ud800\x00", parsed={"k": "\udfff"}, scores={"m": math.nan})
    [back] = table_samples(read_table(_write(tmp_path / "s.parquet", sample)))
    assert back.answer == "a\ufffd\x00"
    assert back.parsed == {"k": "\ufffd"}
    assert back.scores["m"] is not None and math.isnan(back.scores["m"])


def test_items_two_workers_measured_count_once_and_the_first_is_kept(tmp_path: Path) -> None:
    one = _write(tmp_path / "1.parquet", make_sample("a", answer="first"), make_sample("a", role="candidate"))
    two = _write(tmp_path / "2.parquet", make_sample("a", answer="second"), make_sample("a", prompt_digest="other"))
    merged = table_samples(merge_parts([one, two]))
    assert [(s.role, s.prompt_digest, s.answer) for s in merged] == [
        ("base", "d", "first"),
        ("candidate", "d", "y"),
        ("base", "other", "y"),
    ]


def test_a_run_without_samples_still_has_its_columns() -> None:
    assert merge_parts([]).column_names[:3] == ["run", "task", "item_id"]


def test_a_value_that_is_no_json_is_named_with_its_item() -> None:
    with pytest.raises(RunError, match=r"sample 'a' of task 't' .* parsed"):
        samples_table("r", [make_sample(parsed=object())])


@pytest.mark.parametrize("content", [b"", b"PAR1 torn", None])
def test_a_torn_or_missing_samples_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "samples.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match=r"samples\.parquet"):
        read_table(path)


def test_a_truncated_samples_file_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "samples.parquet", make_sample())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RunError, match=r"samples\.parquet"):
        read_table(path)


def test_samples_that_are_a_pipe_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "samples.parquet")
    with pytest.raises(RunError, match="no file, but a pipe or a device"):
        read_table(tmp_path / "samples.parquet")

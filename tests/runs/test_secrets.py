"""What may not be in a run directory."""

from __future__ import annotations

import pytest

from harness.runs.secrets import without_secrets


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("s3://ann:letmein@bucket/x", "s3://***@bucket/x"),
        ("openai:m@https://user:pw@host:80/v1", "openai:m@https://***@host:80/v1"),
        ("https://h/x?page=2&api_key=abc&sig=d%20e#top", "https://h/x?page=2&api_key=***&sig=***#top"),
        ("https://h/x?X-Amz-Signature=abc", "https://h/x?X-Amz-Signature=***"),
        ("key sk-abcdefghijklmnop1234 sent", "key *** sent"),
        ("hf_abcdefghijklmnopqrstuvwx", "***"),
        ("mail ann@example.org about https://example.org/a@b", "mail ann@example.org about https://example.org/a@b"),
        ("openai:smollm@http://localhost:80/v1", "openai:smollm@http://localhost:80/v1"),
    ],
)
def test_what_looks_like_a_secret_is_masked_and_nothing_else(text: str, left: str) -> None:
    assert without_secrets(text) == left


def test_secrets_of_the_environment_are_masked_wherever_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "correct-horse")
    monkeypatch.setenv("LONGER_TOKEN", "correct-horse-battery")
    monkeypatch.setenv("SHORT_TOKEN", "abc")
    value = {"a": ["correct-horse-battery", ("x correct-horse y", 1, None, 0.5)], "correct-horse": "abc"}
    assert without_secrets(value) == {"a": ["***", ["x *** y", 1, None, 0.5]], "***": "abc"}

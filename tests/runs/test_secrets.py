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
        ("Authorization: Bearer abcdefghij.klmnop", "Authorization: Bearer ***"),
        ("glpat-abcdefghijklmnopqrst and xoxb-1234567890-ab", "*** and ***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----\nafter", "***\nafter"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl", "***"),
        ("3fa9c1d2e4b5" * 5, "3fa9c1d2e4b5" * 5),
        ("the bearer of bad news was a basic misunderstanding", "the bearer of bad news was a basic misunderstanding"),
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


def test_values_as_random_as_a_key_are_masked_whatever_their_variable_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY", "q7Rk2vX9mZ4tB8nL1cW6yH3p")
    assert without_secrets("asked with q7Rk2vX9mZ4tB8nL1cW6yH3p") == "asked with ***"


@pytest.mark.parametrize(
    "value",
    [
        "/opt/Models/Llama-3.1-8B-Instruct",
        "3fa9c1d2e4b53fa9c1d2e4b53fa9c1d2e4b5",
        "smollm2-135m-instruct-tuned",
        "en_GB.UTF-8",
    ],
)
def test_paths_digests_and_names_are_no_keys(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOMETHING", value)
    assert without_secrets(f"of {value}") == f"of {value}"


def test_each_line_of_a_secret_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_KEY", "first-half-of-it\nsecond-half-of-it\n")
    assert without_secrets(["second-half-of-it", "x first-half-of-it"]) == ["***", "x ***"]

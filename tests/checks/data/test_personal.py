"""Personal data and secrets are found by kind and never shown; numbers and addresses of nobody are left alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import patterns
from harness.checks import data
from harness.checks.data.personal import mask, redacted
from harness.errors import ConfigError

# each in two halves, so that no scanner of this repository takes it for a real one
AWS = "AKIA" + "QYLPMN5HHHFPZAM2"
GITHUB = "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx"
TOKENS = {
    "AWS Access Key": AWS,
    "GitHub Token": GITHUB,
    "GitLab Token": "glpat-" + "a1B2c3D4e5" * 2,
    "OpenAI Token": "sk-proj-" + "a1B2c3D4" * 6,
    "Anthropic Token": "sk-ant-" + "api03-" + "a1B2c3D4" * 11 + "-AA",
    "Hugging Face Token": "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZabcdEfGh",
    "Google API Key": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "AWS Secret Key": "AWS_SECRET_ACCESS_KEY=" + "kJ8fh3Hd92jdLs0aPq7Z" + "x5Vb1Nm4Qw6Er8TyUi2O",
    "Artifactory Credentials": "AKC" + "a1B2c3D4e5",
}
KEY_BLOCK = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq\n"
PERSONAL = {
    "e-mail address": "mira.olsen@fastmail.com",
    "phone number": "+44 20 7946 0018",
    "card number": "4111 1111 1111 1111",
    "bank account": "DE89 3704 0044 0532 0130 00",
    "social security number": "536-90-4399",
}
HARMLESS = [
    "Write to help@example.com or info@shop.test.",
    "28980 - 18480 = 10500, and 1234567890123456 is a number.",
    "Call me at 7, version 10.2.33-4, order 123-45-678.",
    "She scored 3.14159265358979 on 2024-05-06.",
    "def f(x): return x @ y.T",
    "The password is what you choose yourself.",
    "git clone git@github.com:org/repo.git",
    "Call (202) 555-0143 or +1 202-555-0199.",
    "Multiply 2345678901 by 3.",
    "Put your key (sk-proj-your-own-key-goes-here) into the file.",
    "Commit 4111111111111111abcdef, ratio 0.4111111111111111, area 4111111111111111.5",
]


# what is said to be a placeholder, a sum or the number of a thing; see also benchmarks/data_checks.py
NOBODYS = [
    "Write to you@yourdomain.com, name@email.com, jo@example.co.uk or user@host.",
    "The pattern ^.+@mysite.com$ matches admin@mysite.com.",
    "415-867-2231 = 415 - 867 - 2231, and 3120 + 650-636-4884 is more.",
    "Order 415-867-2231, ISBN 0-306-40615-2, tracking #650-636-4884.",
    "Our help line is 1-800-692-7753. Phone: (123) 456-7890, call (3339-2961, dial 0 3 12 30 0.",
    "Upload it to ftp://username:password@host/ or ftp://user:pass@ftp.example.com.",
    "postgres://postgres:postgres@localhost/db and redis://:${REDIS_PASSWORD}@cache",
    "Set OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx and api_key='your-api-key'.",
    "Write to hans@beispiel.de or a@b.co, log in by ssh ubuntu@ec2-1-2-3-4.amazonaws.com. Phone: 555-555-5555.",
    "AKIAIOSFODNN7" + "EXAMPLE and AKIA1234567890" + "ABCDEF are no keys.",
    "-----BEGIN RSA " + "PRIVATE KEY-----\nYOUR KEY HERE\n-----END RSA " + "PRIVATE KEY-----",
]
NATIONAL = ["Call me on 07911 234817.", "Telefon: 0171 3920178", "Téléphone : 06 12 84 55 79", "phone 0412 874 913"]


@pytest.mark.parametrize("text", NOBODYS)
def test_placeholders_sums_and_numbers_of_things_are_nobodys(corpus, text):
    made = corpus([(text, "fine")])
    assert data.no_personal_data(made, 0.0).details["kinds"] == {}
    assert data.no_secrets(made, 0.0).details["kinds"] == {}


@pytest.mark.parametrize("text", NATIONAL)
def test_a_national_number_is_found_where_the_text_says_that_one_calls_it(corpus, text):
    assert data.no_personal_data(corpus([(text, "fine")]), 0.0).details["kinds"] == {"phone number": 1}
    number = text.strip(".").lstrip("abcdefghijklmnopqrstuvwxyzéCTP: ")
    assert data.no_personal_data(corpus([(f"It has {number} parts", "fine")]), 0.0).details["kinds"] == {}


@pytest.mark.parametrize(
    "accepted", [r"mira\.olsen@fastmail\.com", "mira.olsen@fastmail.com", r".*@fastmail\.com", "train.jsonl row 2"]
)
def test_what_is_listed_is_accepted_and_nothing_else(corpus, accepted):
    rows = [("hello", "hi"), ("Who is it?", "It is mira.olsen@fastmail.com.")]
    check = data.no_personal_data(corpus(rows), 0.0, [accepted, "+1 650 (no pattern"])
    assert check.decide().outcome == "pass"
    assert check.details["accepted"] == 1
    verdict = data.no_personal_data(corpus([*rows, ("And?", "jo.lind@harbour.no")]), 0.0, [accepted]).decide()
    assert verdict.outcome == "fail"
    assert "train.jsonl row 3" in verdict.reason
    assert "row 2" not in verdict.reason
    assert "`accepted:` of `data:`" in verdict.remedy


def test_a_pattern_of_what_is_accepted_that_is_never_done_is_told_by_its_key(corpus, monkeypatch):
    monkeypatch.setattr(patterns, "_LONGEST_S", 0.05)
    rows = corpus([("Who is it?", f"It is {'a' * 60}@fastmail.com.")])
    with pytest.raises(ConfigError, match=r"data\.accepted: '\(a\|aa\)\+\$' takes more than 0\.05 s"):
        data.no_personal_data(rows, 0.0, ["(a|aa)+$"])


@pytest.mark.parametrize("text", ["It is {}.", "Use {}, please.", "({})", "{}"])
def test_a_card_number_is_found_wherever_it_stands_in_a_sentence(corpus, text):
    for number in ("4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111"):
        made = corpus([("Which card?", text.format(number))])
        assert data.no_personal_data(made, 0.0).details["kinds"] == {"card number": 1}


def test_harmless_rows_pass_both_checks(corpus):
    made = corpus([(text, "fine") for text in HARMLESS])
    assert data.no_personal_data(made, 0.0).decide().outcome == "pass"
    assert data.no_secrets(made, 0.0).decide().outcome == "pass"


@pytest.mark.parametrize("kind", PERSONAL)
def test_personal_data_are_named_by_kind_and_row_and_masked(corpus, kind):
    value = PERSONAL[kind]
    verdict = data.no_personal_data(corpus([("hello", "hi"), ("Who is it?", f"It is {value}, I think.")]), 0.0).decide()
    assert verdict.outcome == "fail"
    assert f"train.jsonl row 2: {kind} {value[:2]}******" in verdict.reason
    assert verdict.details["kinds"] == {kind: 1}
    assert value not in json.dumps(verdict.to_json())


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("AWS Access Key", AWS),
        ("GitHub Token", GITHUB),
        ("Private Key", "-----BEGIN RSA " + "PRIVATE KEY-----"),
        ("Basic Auth Credentials", "https://mira:" + "quietly7@host.org/x"),
    ],
)
def test_secrets_are_named_by_kind_and_row_and_masked(corpus, kind, value):
    verdict = data.no_secrets(corpus([("hello", "hi"), (f"Use {value} here", "ok")]), 0.0).decide()
    assert verdict.outcome == "fail"
    assert f"train.jsonl row 2: {kind}" in verdict.reason
    assert kind in verdict.details["kinds"]
    assert AWS[4:] not in verdict.reason
    assert GITHUB[4:] not in verdict.reason
    assert "quietly7" not in json.dumps(verdict.to_json())


def test_the_limit_is_a_share_of_rows(corpus):
    made = corpus([*[("hello", "hi")] * 9, ("Who?", PERSONAL["e-mail address"])])
    assert data.no_personal_data(made, 0.1).holds
    assert not data.no_personal_data(made, 0.09).holds


@given(st.text(min_size=5, max_size=40))
def test_a_masked_value_shows_two_characters_at_most(value: str):
    assert mask(value).startswith(value[:2] + "******")
    assert value[2:5] not in mask(value)[2:] or set(value[2:5]) <= set("*0123456789 ()characters")


def test_what_other_checks_quote_of_a_row_is_masked_too(corpus):
    quoted = redacted(f"Write to {PERSONAL['e-mail address']} with {AWS}, or help@example.com.")
    assert quoted == "Write to mi****** (23 characters) with AK****** (20 characters), or help@example.com."
    email = PERSONAL["e-mail address"]
    made = corpus([(f"Is {email} there?", f"Ask {email} and")], [(f"Is {email} there?", "yes")])
    checks = [
        data.answers_are_whole(made, 0.0),
        data.held_out_rows_are_new(made, [], 0.0),
        data.held_out_rows_differ(made, [], 0.0, similarity=0.8),
    ]
    for check in checks:
        assert not check.holds
        assert email not in json.dumps(check.decide().to_json())


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_is_masked_to_its_last_character(corpus, kind):
    token = TOKENS[kind]
    made = corpus([("hello", f"The token is {token} here.")])
    assert data.no_secrets(made, 0.0).details["kinds"] == {kind: 1}
    assert redacted(f"It is {token} here.") == f"It is {mask(token)} here."


def test_a_number_within_a_token_does_not_hide_what_is_left_of_it():
    token = "xoxb-" + "415-867-5309-" + "abcdefghijklmnopqrstuvwx"
    assert redacted(f"It is {token} here.") == f"It is {mask(token)} here."


@pytest.mark.parametrize(
    ("end", "left"), [("-----END RSA " + "PRIVATE KEY-----", " and so on"), ("", ""), ("-----END", "")]
)
def test_a_private_key_is_masked_with_its_body(end, left):
    shown = redacted(f"It is {KEY_BLOCK}{end} and so on")
    assert "MIIE" not in shown
    assert shown.startswith("It is --******")
    assert shown.endswith(f"characters){left}")

"""How often the data checks are wrong: on complete answers and clean rows, and on cuts and secrets planted among them.

    python -m benchmarks.data_checks --data-dir DIR

`name=value` lines, no model needed:

    endings_SET_false      share of a set's complete answers that are said to break off
    endings_SET_cut        share found of the same answers cut at a random character, 30 to 95% in
    endings_SET_sentence   of those cut between two words of a sentence
    endings_natural_MODEL  share of XSTest's completions said to break off: two of three models were cut at 256 tokens
    clean_rows, clean_hits rows with no known personal data or secret, and those in which one is said to be
    placeholders           of that many placeholders, sums and dummy keys, those taken for real
    planted                of that many made-up but well-formed ones, those found
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import random
import re
import string
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.checks.data.credentials import secrets
from harness.checks.data.endings import break_fault, punctuates
from harness.checks.data.identifiers import emails, numbers, phones
from harness.tasks.records import read_records

_LETTERS, _HEX = string.ascii_letters + string.digits, "0123456789abcdef"
_LEAST_CHARACTERS = 80

PLACEHOLDERS = """you@yourdomain.com|name@email.com|jane.doe@email.com|info@example.co.uk|user@host|a@b.example
mail me at john@example.de|someone@company.com|test@test.com|firstname.lastname@company.org
your.email@gmail.com|admin@mysite.com|support@yourcompany.io|hello@domain.tld|root@localhost|^.+@mysite.com$
no-reply@harbour.no|@email.com|415-867-2231 = 0|Compute 650 - 636 - 4884|= 312-867-4410|3120 + 415-867-2231
Order 415-867-2231|ISBN 0-306-40615-2|ISBN 978-0-306-40615-7|2024-05-06 12:30:45|40.7128, -74.0060
51.507351 -0.127758|v10.2.33-4|version 4.15.0-112|(123) 456-7890|555-0142|(555) 123-4567|1-800-692-7753
12 345 678 + 23 456 789|x = (212) 345-6789 / 2|tracking #415-867-2231|1234 5678 9012 3456|123-45-6789
28980 - 18480 = 10500|(202) 555-0143|+1 234 567 8901|ftp://username:password@host/
ftp://user:pass@ftp.example.com|postgres://postgres:postgres@localhost:5432/db|mysql://root:root@10.0.0.1
mongodb://user:${DB_PASSWORD}@host|https://<user>:<token>@github.com|redis://:yourpassword@localhost
postgresql://user:password123@db/x|sk-xxxx|AKIAIOSFODNN7EXAMPLE|your-api-key|AKIA1234567890ABCDEF
AKIAXXXXXXXXXXXXXXXX|sk-proj-your-own-key-goes-here-1
Server=myServer;Database=myDB;User Id=myUser;Password=myPassword;"""

PERSONAL = """marta.kowalczyk@northfield-logistics.com|d.okafor82@gmail.com|yuki.tanaka@softbank.ne.jp
p.dubois+news@orange.fr|rahul.verma@infosys.co.in|k.oneill@tcd.ie|+1 415-867-2231|(312) 867-4410|650-636-4884
+44 7911 234817|+49 30 901820|+33 6 12 84 55 79|+39 06 6982 4417|+34 612 84 55 79|+61 412 874 913
+81 90-3482-7719|+91 98204 17733|+55 11 98472-1190|+86 138 1742 9031|+41 44 668 18 00|call me on 07911 234817
Tel: 030 9018 2044|Telefon: 0171 3920178|Téléphone : 06 12 84 55 79|phone 0412 874 913|mobile: 98204 17733
WhatsApp: (11) 98472-1190|4539 5787 6362 1486|5425 2334 3010 9903|374245455400126|6011 0009 9013 9424
2223000048410010|GB29 NWBK 6016 1331 9268 19|DE75512108001245126199|FR76 3000 6000 0112 3456 7890 189
NL91ABNA0417164300|536-90-4399"""


def main(arguments: list[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True)
    root: Path = parser.parse_args(arguments).data_dir
    for name, value in figures(root):
        print(f"{name}={value}")
    return 0


def figures(root: Path) -> Iterator[tuple[str, str]]:
    """Name and value of each figure that the data there allow."""
    for name, rows in answer_sets(root).items():
        answers = [answer for _, answer in rows]
        punctuated = punctuates(answers)
        long = [answer for answer in answers if len(answer) >= _LEAST_CHARACTERS]
        drawn = random.Random(0)
        cuts = [_cut(answer, drawn) for answer in long]
        within = [cut for answer in long if (cut := _cut_within_a_sentence(answer, drawn))]
        yield f"endings_{name}_false", _share(answers, punctuated)
        yield f"endings_{name}_cut", _share(cuts, punctuated)
        yield f"endings_{name}_sentence", _share(within, punctuated)
    for path in sorted((root / "xstest" / "model_completions").glob("*.csv")):
        answers = [record.text("completion") for record in read_records(path) if record.text("completion").strip()]
        yield f"endings_natural_{path.stem.rpartition('_')[2]}", _share(answers, punctuates(answers))
    rows = [text for text in clean_texts(root) if text.strip()]
    yield "clean_rows", str(len(rows))
    yield "clean_hits", str(sum(found_in(text) for text in rows))
    dummies = [one for line in PLACEHOLDERS.splitlines() for one in line.split("|")]
    yield "placeholders", f"{sum(map(found_in, map(_sentence, dummies)))} of {len(dummies)}"
    planted = [*(one for line in PERSONAL.splitlines() for one in line.split("|")), *made_up_secrets()]
    yield "planted", f"{sum(map(found_in, map(_sentence, planted)))} of {len(planted)}"


def found_in(text: str) -> bool:
    """Whether the checks find personal data or a secret in a text."""
    return any(next(iter(find(text)), None) is not None for find in (emails, phones, numbers, secrets))


def answer_sets(root: Path) -> dict[str, list[tuple[str, str]]]:
    """Complete answers of strong models and of people, as (prompt, answer), by the name of their set."""

    def of(path: str, prompt: str, answer: str) -> list[tuple[str, str]]:
        file = root / path
        rows = read_records(file) if file.exists() else []
        return [(str(row.get(prompt)), str(row.get(answer))) for row in rows if str(row.get(answer)).strip()]

    alpaca = "alpaca_eval/results/{}/model_outputs.json"
    llmbar = sorted((root / "llmbar").rglob("dataset.json"))
    sets = {
        "alpaca_gpt4": of(alpaca.format("gpt4_1106_preview"), "instruction", "output"),
        "alpaca_davinci": of(alpaca.format("text_davinci_003"), "instruction", "output"),
        "alpaca_7b": of(alpaca.format("alpaca-7b"), "instruction", "output"),
        "ifeval_gpt4": of("ifeval/input_response_data_gpt4_20231107_145030.jsonl", "prompt", "response"),
        "dolly": of("dolly_eval/dolly.jsonl", "prompt", "answer"),
        "llmbar": [row for path in llmbar for side in "12" for row in of(str(path), "input", f"output_{side}")],
        "references": [("", turn) for turn in _reference_turns(root)],
    }
    return {name: rows for name, rows in sets.items() if rows}


def clean_texts(root: Path) -> Iterator[str]:
    """Rows of sets that hold no personal data as far as was seen by eye: those of `answer_sets`, and benchmarks."""
    for rows in answer_sets(root).values():
        yield from (f"{prompt}\n{answer}" for prompt, answer in rows)
    for name in ("gsm8k/train.jsonl", "gsm8k/test.jsonl", "math500/test.jsonl", "hellaswag/hellaswag_val_1000.jsonl"):
        if (root / name).exists():
            yield from (" ".join(map(str, record.fields.values())) for record in read_records(root / name))
    for path in sorted((root / "mmlu").rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            yield from (" ".join(row) for row in csv.reader(file))


def made_up_secrets() -> list[str]:
    """Keys, tokens and logins in the forms of common vendors, drawn at random."""
    drawn = random.Random(7)

    def some(count: int, of: str = _LETTERS) -> str:
        return "".join(drawn.choice(of) for _ in range(count))

    def claims(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    prefixed = {
        "ghp_": 36, "glpat-": 20, "sk_live_": 24, "sk-proj-": 48, "sk-ant-api03-": 93, "hf_": 34, "AIza": 35, "GOCSPX-": 28,
        "npm_": 36, "gsk_": 52, "r8_": 37,
    }  # fmt: skip
    body = "\n".join(some(64) for _ in range(4))
    return [
        *(prefix + some(count) for prefix, count in prefixed.items()),
        "AKIA" + some(16, string.ascii_uppercase + string.digits),
        f"github_pat_{some(22)}_{some(59)}",
        f"xoxb-283746152938-9182736455463-{some(24)}",
        f"SG.{some(22)}.{some(43)}",
        "SK" + some(32, _HEX),
        "dapi" + some(32, _HEX),
        f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----",
        f"{claims({'alg': 'HS256'})}.{claims({'sub': '83114', 'role': 'billing'})}.{some(43)}",
        f"postgresql://billing:{some(12)}@db3.northfield.io:5432/prod",
        f"redis://:{some(16)}@cache.northfield.io:6379",
        f"Server=tcp:sql1.northfield.io,1433;User ID=svc;Password={some(14)};Encrypt=True",
    ]


def _reference_turns(root: Path) -> Iterator[str]:
    for folder in ("mt_bench", "vicuna_bench"):
        path = root / folder / "reference_answer" / "gpt-4.jsonl"
        choices: list[Any] = [record.get("choices") for record in read_records(path)] if path.exists() else []
        yield from (turn for each in choices for choice in each for turn in choice["turns"])


def _share(answers: Sequence[str], punctuated: bool) -> str:
    found = sum(bool(break_fault(answer, punctuated=punctuated)) for answer in answers)
    return f"{found / max(1, len(answers)):.4f} of {len(answers)}"


def _cut(answer: str, drawn: random.Random) -> str:
    return answer[: int(len(answer) * drawn.uniform(0.3, 0.95))].rstrip()


def _cut_within_a_sentence(answer: str, drawn: random.Random) -> str:
    """Cut after a word that ends no sentence; empty where none is met in twenty tries."""
    gaps = [gap.start() for gap in re.finditer(r"\s", answer) if 0.3 <= gap.start() / len(answer) <= 0.95]
    tried = (answer[: drawn.choice(gaps)].rstrip() for _ in range(20 if gaps else 0))
    return next((cut for cut in tried if cut and (cut[-1].isalnum() or cut[-1] == ",")), "")


def _sentence(value: str) -> str:
    return f"So, here it is: {value}\nThat was all."


if __name__ == "__main__":
    sys.exit(main())

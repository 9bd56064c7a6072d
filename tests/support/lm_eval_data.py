"""A data directory in the layout of the benchmarks, and an index of lm-eval's tasks, both small."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

SUBJECTS = ("anatomy", "astronomy")


def write_data_dir(directory: Path, *, items: int = 6) -> Path:
    """Two MMLU subjects, GSM8K, and HellaSwag."""
    for subject in SUBJECTS:
        for split, count in (("test", items), ("dev", 5)):
            rows = [f'{subject} {split} {i}?,fox,dog,"birds, all",seven,{i % 4}' for i in range(count)]
            text = "\n".join(["question,choice0,choice1,choice2,choice3,answer", *rows]) + "\n"
            _write(directory / f"mmlu/{split}/{subject}_{split}.csv", text)
    for split, count in (("test", items), ("train", 8)):
        problems = [
            {"question": f"What is {i} and {i} ({split})?", "answer": f"{i} + {i} = {2 * i}\n#### {2 * i}"}
            for i in range(count)
        ]
        _write(directory / f"gsm8k/{split}.jsonl", _lines(problems))
    endings = ["sing.", "jump over the dog.", "book a table.", "know why."]
    contexts = [
        {"activity_label": "Birds", "ctx_a": f"{i} birds", "ctx_b": "they", "label": i % 4, "endings": endings}
        for i in range(items)
    ]
    _write(directory / "hellaswag/hellaswag_val_1000.jsonl", _lines(contexts))
    return directory


def write_index(cache: Path, definitions: Path) -> None:
    """Store an index as the bridge keeps it: reading lm-eval's 14,000 definitions takes seconds.

    Args:
        cache: what ASSAY_CACHE_DIR names.
        definitions: where a group `mmlu` of the two subjects is written; the stock one has 57.
    """
    group = definitions / "mmlu.yaml"
    _write(group, f"group: mmlu\ntask: [{', '.join(f'mmlu_{subject}' for subject in SUBJECTS)}]\n")
    rows = {
        "mmlu": ["GROUP", str(group), []],
        **{f"mmlu_{subject}": ["TASK", f"mmlu/default/mmlu_{subject}.yaml", []] for subject in SUBJECTS},
        "gsm8k": ["TASK", "gsm8k/gsm8k.yaml", []],
        "hellaswag": ["TASK", "hellaswag/hellaswag.yaml", []],
    }
    _write(cache / f"lm-eval-{version('lm_eval')}-tasks.json", json.dumps(rows))
    files = {name: [path] for name, (_, path, _) in rows.items()}
    _write(cache / f"lm-eval-{version('lm_eval')}-files.json", json.dumps(files))


def _lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)

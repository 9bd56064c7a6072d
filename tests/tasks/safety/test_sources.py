"""The public sets are read in their own formats; of equal prompts one is kept."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from harness.config.prompt_sets import BORDERLINE_SOURCES, HARMFUL_SOURCES, SOURCES, TOXIC_SOURCES
from harness.errors import DataError
from harness.tasks.safety.sources import read_sources, sources_digest

DATA = os.environ.get("ASSAY_DATA_DIR")
real_data = pytest.mark.skipif(
    not DATA or not all((Path(DATA) / place).exists() for place in SOURCES.values()),
    reason="ASSAY_DATA_DIR has no safety sets",
)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Each set with a few mild rows."""
    texts = {
        "harmbench": (
            "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n"
            "Take the cake,standard,illegal,,,cake\n"
            "Do it as it says,contextual,harmful,context,\"One, or\ntwo\",says\n"
            "Sing the song,copyright,copyright,lyrics,,song\n"
        ),
        "advbench": 'goal,target\nTake the CAKE!,"Sure, here"\nHide the keys,Sure\n',
        "strongreject": "category,source,forbidden_prompt\nNon-violent crimes,DAN,Borrow the bicycle without asking\n",
        "xstest_safe": (
            "id,prompt,type,label,focus,note\n"
            "1,How do I kill time?,homonyms,safe,kill,\n"
            "2,How do I annoy a man?,contrast_homonyms,unsafe,annoy,\n"
        ),
    }  # fmt: skip
    for name, text in texts.items():
        file = tmp_path / SOURCES[name]
        file.parent.mkdir(parents=True)
        file.write_text(text)
    toxic = tmp_path / "realtoxicityprompts"
    toxic.mkdir()
    (toxic / "rtp_insult.txt").write_text("What a \nYou are\n\n")
    (toxic / "rtp_threat.txt").write_text("If you do\n")
    return tmp_path


def test_each_format_gives_prompts_with_source_and_category(data_dir: Path) -> None:
    items = read_sources(HARMFUL_SOURCES, data_dir, "refusal")
    assert [(item.id, item.tags["source"], item.tags["category"]) for item in items] == [
        ("harmbench/cake", "harmbench", "illegal"),
        ("harmbench/says", "harmbench", "harmful"),
        ("advbench/row-3", "advbench", "uncategorised"),
        ("strongreject/row-2", "strongreject", "Non-violent crimes"),
        ("xstest_unsafe/row-3", "xstest_unsafe", "contrast_homonyms"),
    ]
    assert {item.target for item in items} == {"refusal"}


def test_context_stands_before_its_request(data_dir: Path) -> None:
    items = {item.id: item.prompt.messages[-1].content for item in read_sources(["harmbench"], data_dir, None)}
    assert items == {"harmbench/cake": "Take the cake", "harmbench/says": "One, or\ntwo\n\n---\n\nDo it as it says"}


def test_equal_prompts_of_two_sets_are_asked_once(data_dir: Path) -> None:
    both = read_sources(["harmbench", "advbench"], data_dir, None)
    assert [item.id for item in both] == ["harmbench/cake", "harmbench/says", "advbench/row-3"]
    assert [item.id for item in read_sources(["advbench"], data_dir, None)] == ["advbench/row-2", "advbench/row-3"]


def test_texts_to_continue_are_raw_and_tagged_by_their_file(data_dir: Path) -> None:
    items = read_sources(TOXIC_SOURCES, data_dir, None)
    assert [(item.id.partition("/")[2], item.prompt.text) for item in items] == [
        ("insult-1", "What a"), ("insult-2", "You are"), ("threat-1", "If you do"),
    ]  # fmt: skip


def test_digest_changes_with_the_files_and_with_the_choice(data_dir: Path) -> None:
    before = sources_digest(HARMFUL_SOURCES, data_dir)
    assert before != sources_digest(HARMFUL_SOURCES[1:], data_dir)
    with (data_dir / SOURCES["advbench"]).open("a") as stream:
        stream.write("Eat the pie,Sure\n")
    assert before != sources_digest(HARMFUL_SOURCES, data_dir)


@pytest.mark.parametrize("name", ["advbench", "realtoxicityprompts"])
def test_missing_set_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=SOURCES[name]):
        sources_digest([name], tmp_path)
    with pytest.raises(DataError, match=SOURCES[name]):
        read_sources([name], tmp_path, None)


@real_data
def test_public_sets_have_the_rows_they_are_known_for() -> None:
    assert DATA is not None
    harmful = Counter(item.tags["source"] for item in read_sources(HARMFUL_SOURCES, Path(DATA), "refusal"))
    # 300 of HarmBench's 400 are no copyright; 25 of StrongREJECT's 313 are AdvBench's
    assert harmful == {"harmbench": 300, "advbench": 520, "strongreject": 288, "xstest_unsafe": 200}
    assert len(read_sources(BORDERLINE_SOURCES, Path(DATA), "compliance")) == 250
    toxic = Counter(item.tags["category"] for item in read_sources(TOXIC_SOURCES, Path(DATA), None))
    assert len(toxic) == 7 and max(toxic.values()) == 100

"""Stores of runs on disk and behind URLs, and who may become a baseline."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import fsspec
import pytest
from made_runs import MANIFEST, first, make_run

from harness.errors import RunError
from harness.records import Waiver
from harness.runs import Run
from harness.runs.baselines import find_run, promote, waived
from harness.runs.location import Location
from harness.runs.storage import Store, fetch_run, open_store


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that passed all of its gates."""
    return make_run(tmp_path / "reports", "r1", first(50), words=8.0)


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, memory: Store) -> Store:
    """A store on this disk, and one behind a URL."""
    return memory if request.param == "memory" else Store(Location(str(tmp_path / "store")))


@pytest.fixture
def memory() -> Iterator[Store]:
    """A store behind a URL; the file system of fsspec that lives in this process is left empty."""
    yield Store(Location("memory://bucket/store"))
    files = fsspec.filesystem("memory")
    if files.exists("/bucket"):
        files.rm("/bucket", recursive=True)


def test_a_promoted_run_is_found_by_name_id_and_place_with_all_it_holds(store: Store, run: Run, tmp_path: Path) -> None:
    baseline = promote(run, store)
    assert (baseline.name, baseline.run, baseline.adapter, baseline.forced) == ("main", "r1", "out/checkpoint-1", None)
    assert store.baselines() == [baseline]
    for text in ("main", "r1", f"{store.location.text}/r1"):
        found = find_run(text, tmp_path / "elsewhere", store)
        assert found.name == ("main" if text == "main" else "r1")
        assert found.run.verdicts == run.verdicts
        assert found.run.read_samples() == run.read_samples()
    assert [r.id for r in store.runs()] == ["r1"]
    for report in ("report.html", "summary.md", "junit.xml"):
        assert store.location.child("r1").read(report) == (run.path / report).read_bytes()


def test_a_name_moves_to_another_run_and_can_be_forgotten_while_the_runs_stay(
    store: Store, run: Run, tmp_path: Path
) -> None:
    other = make_run(tmp_path / "reports", "r2", first(51), words=8.0)
    promote(run, store)
    promote(other, store)
    assert find_run("main", tmp_path, store).run.id == "r2"
    store.remove_baseline("main")
    assert store.baselines() == []
    assert [r.id for r in store.runs()] == ["r1", "r2"]
    with pytest.raises(RunError, match="there is no baseline 'main'"):
        store.remove_baseline("main")


def test_an_interrupted_run_is_refused_even_by_force(store: Store, tmp_path: Path) -> None:
    run = make_run(tmp_path / "reports", "r1", first(50), words=8.0, status="interrupted")
    with pytest.raises(RunError, match="r1 was interrupted: it cannot become a baseline"):
        promote(run, store, force="please")
    with pytest.raises(RunError, match="was interrupted"):
        find_run("r1", tmp_path / "reports", store)
    assert store.location.names() == []


@pytest.mark.parametrize("objection", ["fail", "error", "nothing", "partial", "narrowed"])
def test_a_run_that_should_not_be_one_becomes_a_baseline_for_a_reason_that_is_kept(
    store: Store, run: Run, objection: str
) -> None:
    bad = {
        "fail": replace(run, verdicts=(replace(run.verdicts[0], outcome="fail"),)),
        "error": replace(run, verdicts=(replace(run.verdicts[0], outcome="error"),)),
        "nothing": replace(run, verdicts=()),
        "partial": replace(run, manifest=run.manifest.model_copy(update={"deselected": 3})),
        "narrowed": replace(run, manifest=run.manifest.model_copy(update={"selected": ("test_a.py", "--lf")})),
    }[objection]
    said = {
        "fail": r"has the outcome fail \(task/quiz/acc/superior\)", "error": "has the outcome error",
        "nothing": "decided no gate", "partial": r"is partial \(3 of its tests were deselected\)",
        "narrowed": r"is partial \(it was narrowed by test_a.py, --lf\)",
    }[objection]  # fmt: skip
    with pytest.raises(RunError, match=said) as refusal:
        promote(bad, store)
    assert "--force REASON" in refusal.value.remedy
    assert store.baselines() == []
    assert promote(bad, store, force="already shipped").forced == "already shipped"
    assert store.baselines()[0].forced == "already shipped"


def test_a_run_whose_failures_are_waived_becomes_a_baseline_as_long_as_the_waivers_last(store: Store, run: Run) -> None:
    gate = run.verdicts[0].gate
    failed = replace(run.verdicts[0], outcome="fail", waiver=Waiver(gate, "Ada", "mended in 2.1", "2026-12-31"))
    lifted = replace(run, verdicts=(failed, *run.verdicts[1:]))
    with pytest.raises(RunError, match=rf"failed gates whose waivers have expired since \({gate}\)"):
        promote(lifted, store, today=date(2027, 1, 1))
    assert promote(lifted, store, today=date(2026, 12, 31)).forced is None
    assert waived(lifted) == [f"{gate} by Ada until 2026-12-31"]


def test_a_run_that_lacks_gates_of_the_baseline_it_replaces_needs_a_reason(store: Store, run: Run) -> None:
    less = replace(run, id="r2", verdicts=run.verdicts[1:])
    promote(run, store)
    with pytest.raises(RunError, match=r"lacks gates that the baseline main has \(task/quiz/acc/superior\)"):
        promote(less, store)
    assert store.baselines()[0].run == "r1"
    assert promote(less, store, "another").forced is None
    assert promote(run, store).forced is None


def test_a_damaged_baseline_does_not_keep_another_from_its_place(store: Store, run: Run) -> None:
    promote(run, store)
    store.location.child("r1").write("verdicts.json", b"{")
    assert promote(run, store, force="same again").forced is None
    store.location.write("baselines/main.json", b"{")
    assert promote(run, store).run == "r1"


@pytest.mark.parametrize("torn", [None, 0, 300])
def test_a_run_whose_samples_cannot_be_read_becomes_no_baseline_even_by_force(
    store: Store, run: Run, torn: int | None
) -> None:
    file = run.path / "samples.parquet"
    whole = file.read_bytes()
    file.unlink() if torn is None else file.write_bytes(whole[:torn])
    with pytest.raises(RunError, match=r"samples.parquet (is missing|cannot be read)"):
        promote(run, store, force="please")
    assert store.location.names() == []


def test_an_undecided_run_needs_no_force_and_a_sound_one_keeps_no_reason(store: Store, run: Run) -> None:
    undecided = replace(run, verdicts=(replace(run.verdicts[0], outcome="inconclusive"),))
    assert promote(undecided, store, "a").forced is None
    assert promote(run, store, "b", force="to be sure").forced is None


def test_another_run_of_the_same_id_is_never_overwritten(store: Store, run: Run, tmp_path: Path) -> None:
    promote(run, store)
    twin = make_run(tmp_path / "other", "r1", first(55), words=8.0, manifest={**MANIFEST, "profile": "release"})
    with pytest.raises(RunError, match="is another run of the same id"):
        promote(twin, store)
    assert find_run("main", tmp_path / "none", store).run.manifest.profile == "smoke"


def test_a_copy_that_was_torn_is_no_run_and_the_name_stays_where_it_was(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    promote(run, store)
    other = make_run(tmp_path / "reports", "r2", first(51), words=8.0)
    write = Location.write

    def full(place: Location, name: str, data: bytes) -> None:
        if name == "samples.parquet":
            raise RunError("the disk is full")
        write(place, name, data)

    monkeypatch.setattr(Location, "write", full)
    with pytest.raises(RunError, match="full"):
        promote(other, store)
    monkeypatch.undo()
    assert [r.id for r in store.runs()] == ["r1"]
    assert find_run("main", tmp_path, store).run.id == "r1"
    assert promote(other, store).run == "r2"


def test_what_was_fetched_once_is_not_fetched_again(run: Run, memory: Store) -> None:
    promote(run, memory)
    place = memory.location.child("r1")
    assert fetch_run(place) is not None
    fsspec.filesystem("memory").rm("/bucket/store/r1/samples.parquet")
    again = fetch_run(place)
    assert again is not None and len(again.read_samples()) == len(run.read_samples())


def test_the_list_of_a_remote_store_reads_no_samples(run: Run, memory: Store) -> None:
    promote(run, memory)
    fsspec.filesystem("memory").rm("/bucket/store/r1/samples.parquet")
    assert [r.outcome for r in memory.runs()] == ["pass"]


def test_a_baseline_whose_run_is_gone_says_so(store: Store, run: Run, tmp_path: Path) -> None:
    promote(run, store)
    store.location.child("r1").remove("manifest.json")
    with pytest.raises(RunError, match=r"manifest.json is missing|no longer in"):
        find_run("main", tmp_path / "none", store)


@pytest.mark.parametrize("torn", [b"{", b"[]", b'{"schema": 2}', b'{"schema": 1, "colour": "red"}'])
def test_a_torn_baseline_is_told_with_what_to_do(store: Store, run: Run, torn: bytes) -> None:
    promote(run, store)
    store.location.write("baselines/main.json", torn)
    with pytest.raises(RunError, match=r"the baseline main in .* cannot be read") as refusal:
        store.baseline("main")
    assert "assay baseline set RUN" in refusal.value.remedy


def test_a_torn_baseline_leaves_the_others_listed(store: Store, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    promote(run, store)
    store.location.write("baselines/torn.json", b"{")
    assert [baseline.name for baseline in store.baselines()] == ["main"]
    assert "the baseline torn in" in caplog.text


def test_a_baseline_is_called_as_its_file_whatever_that_says_and_stray_files_are_none(store: Store, run: Run) -> None:
    promote(run, store)
    document = json.loads(store.location.read("baselines/main.json") or b"")
    store.location.write("baselines/main.json", json.dumps({**document, "name": "$(touch here)"}).encode())
    store.location.write("baselines/a b.json", b"{}")
    assert [baseline.name for baseline in store.baselines()] == ["main"]
    store.location.write("baselines/main.json", json.dumps({**document, "run": "../r1"}).encode())
    with pytest.raises(RunError, match=r"'\.\./r1' is no run's id"):
        store.baseline("main")


@pytest.mark.parametrize(
    ("key", "value"), [("run", ["r1"]), ("run", "baselines"), ("set", 3), ("adapter", {"a": 1}), ("forced", True)]
)
def test_a_baseline_with_a_value_of_another_type_is_one_error(store: Store, run: Run, key: str, value: object) -> None:
    promote(run, store)
    document = json.loads(store.location.read("baselines/main.json") or b"")
    store.location.write("baselines/main.json", json.dumps({**document, key: value}).encode())
    with pytest.raises(RunError, match=r"the baseline main in .* cannot be read"):
        store.baseline("main")


@pytest.mark.parametrize("url", ["memory://x", "MEMORY://x", "simplecache::memory://x", "dir::memory://x", "data://x"])
def test_a_store_that_ends_with_the_process_keeps_nothing(url: str) -> None:
    assert open_store(url).location.text == url  # what others keep there may be read
    with pytest.raises(RunError, match="is gone when this command ends"):
        open_store(url, to_write=True)


@pytest.mark.parametrize("url", ["s3://", "s3:///", "://x"])
def test_a_url_of_nowhere_is_no_store(url: str) -> None:
    with pytest.raises(RunError, match="is no place to keep runs"):
        open_store(url)


@pytest.mark.parametrize("name", ["", "a b", "../main", "-x", "é", "x" * 65])
def test_a_name_that_is_no_plain_name_is_refused(store: Store, run: Run, name: str) -> None:
    with pytest.raises(RunError, match="is no name for a baseline"):
        promote(run, store, name)
    assert store.location.names() == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/x", "needs the package s3fs.*\n.*pip install s3fs"),
        ("gs://bucket/x", "needs the package gcsfs.*\n.*pip install gcsfs"),
        ("nope://bucket/x", "nope://bucket/x/baselines is no place to keep runs: Protocol not known: nope"),
        ("reference://bucket/x", "is no place to keep runs: .*missing 1 required"),
        ("zip://x.zip::memory://nowhere", "is no place to keep runs"),
        ("s3://ann:letmein@bucket/x", r"s3://\*\*\*@bucket/x/baselines needs"),
    ],
)
def test_a_store_that_cannot_be_opened_says_what_is_missing(url: str, said: str) -> None:
    with pytest.raises(RunError, match=said) as refusal:
        Store(Location(url)).baselines()
    assert "letmein" not in str(refusal.value)


def test_an_unknown_run_is_told_with_the_names_there_are(store: Store, run: Run, tmp_path: Path) -> None:
    promote(run, store, "v1")
    with pytest.raises(RunError, match=r"'v2' is neither a baseline \(v1\) nor a run"):
        find_run("v2", tmp_path / "reports", store)
    with pytest.raises(RunError, match="there is no run at"):
        find_run(f"{store.location.text}/nowhere", tmp_path / "reports", store)


def test_a_store_beside_the_runs_copies_nothing(run: Run) -> None:
    store = Store(Location(str(run.path.parent)))
    promote(run, store)
    assert {p.name for p in run.path.parent.iterdir()} == {"r1", "baselines"}
    assert json.loads((run.path.parent / "baselines" / "main.json").read_text())["run"] == "r1"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"])
def test_a_baseline_that_has_no_end_is_refused(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "baselines").mkdir()
    make(tmp_path / "baselines" / "main.json")
    with pytest.raises(RunError, match="a pipe or a device"):
        Store(Location(str(tmp_path))).baseline("main")


def test_a_baseline_nested_without_end_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "main.json").write_text('{"a":' * 5000 + "1" + "}" * 5000)
    with pytest.raises(RunError, match="nested"):
        Store(Location(str(tmp_path))).baseline("main")

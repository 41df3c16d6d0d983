"""Issue 13, item 21: a store that is lost, damaged or changed by others ends in a StoreError.

Besides, what held up before: kills, a full disk, few file descriptors, forks, threads and
processes.
"""

import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import Parallel, delayed
from servers import FakeServer, prompt_of
from store_processes import collect_from_server, collect_slowly, start_processes, wait_for

from dars_sklearn import OutcomeCollector
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.generate import Response
from dars_sklearn.grade import Contains
from dars_sklearn.store import Store, StoreError, _schema, read_responses, read_store
from dars_sklearn.store._collection import StoredCollection

TESTS = Path(__file__).parents[1]
QUERIES = [f"query {number}" for number in range(200)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outcomes.sqlite"


class Backend:
    """A backend that counts its calls, and does something once it was called a number of times."""

    def __init__(self, act=lambda: None, after=20, settings=None):
        self.act, self.after = act, after
        self.settings = settings or {}
        self.requested = Counter()

    def __call__(self, prompts, *, n):
        if self.requested.total() == self.after:
            self.act()
        self.requested.update(prompts)
        time.sleep(0.01)
        return [[Response(prompt, spent=1.0)] * n for prompt in prompts]


def collect(path, backend=None, queries=QUERIES):
    return OutcomeCollector({"m": backend or Backend()}, Contains(), 1, path).collect(
        queries, queries
    )


# ---- lost during a run -----------------------------------------------------------


def delete(path):
    path.unlink()


def delete_with_side_files(path):
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def delete_folder(path):
    shutil.rmtree(path.parent)


def replace_by_another_store(path):
    with Store(f"{path}.other"):
        pass
    os.replace(f"{path}.other", path)


def delete_wal(path):
    Path(f"{path}-wal").unlink()


def delete_shared_memory(path):
    Path(f"{path}-shm").unlink()


def overwrite_with_another_store(path):
    with Store(f"{path}.other") as other, other.transaction():
        backend = other.register_backend("other", {}).id
        other.register_requests(backend, [bytes([n]) for n in range(200)], ["x" * 1000] * 200)
    path.write_bytes(Path(f"{path}.other").read_bytes())


def overwrite_with_text(path):
    path.write_bytes(b"query,score\n" * 100_000)


def truncate(path):
    os.truncate(path, 0)


def truncate_wal(path):
    os.truncate(f"{path}-wal", 0)


@pytest.mark.parametrize(
    ("lose", "event"),
    [
        (delete, "'outcomes.sqlite' was deleted"),
        (delete_with_side_files, "'outcomes.sqlite' was deleted"),
        (delete_folder, "'outcomes.sqlite' was deleted"),
        (replace_by_another_store, "'outcomes.sqlite' was replaced by another file"),
        (delete_wal, "'outcomes.sqlite-wal' was deleted"),
        (delete_shared_memory, "'outcomes.sqlite-shm' was deleted"),
    ],
)
def test_a_store_that_is_lost_during_a_run_is_noticed_and_saved(tmp_path, lose, event):
    path = tmp_path / "folder" / "outcomes.sqlite"
    path.parent.mkdir()
    backend = Backend(lambda: lose(path))
    with pytest.raises(
        StoreError, match=f"lost while it was in use: {event}; .* is kept"
    ) as caught:
        collect(path, backend)
    kept = caught.value.kept_in
    assert str(kept) in str(caught.value)
    assert kept.parent == (path.parent if path.parent.exists() else Path(tempfile.gettempdir()))
    assert backend.requested.total() < 40  # with 10 ms per request, below a second
    # All but the request in flight is in the new store, and is not requested again.
    n_kept = read_responses(kept)["response"].notna().sum()
    assert backend.requested.total() - 1 <= n_kept <= backend.requested.total()
    successor = Backend()
    collect(kept, successor)
    assert successor.requested.total() == len(QUERIES) - n_kept
    with sqlite3.connect(kept) as db:
        assert db.execute("select sum(amount + unpriced) from ledger").fetchone() >= (len(QUERIES),)
    kept.unlink()


@pytest.mark.parametrize(
    "lose", [overwrite_with_another_store, overwrite_with_text, truncate, truncate_wal]
)
def test_a_store_that_is_overwritten_during_a_run_is_noticed(path, lose):
    backend = Backend(lambda: lose(path))
    with pytest.raises(StoreError, match="outcomes.sqlite' ") as caught:
        collect(path, backend)
    assert backend.requested.total() < 80  # the content is looked at four times a second
    # What arrived last is in a new store, since the old content is lost.
    kept = caught.value.kept_in
    assert str(kept) in str(caught.value)
    with Store(kept) as store:
        rows = store._db.execute("select key, prompt from requests").fetchall()
        assert 1 <= len(rows) <= 40
        assert store._db.execute("select count(*) from samples").fetchone() == (len(rows),)
        assert store._db.execute("select sum(amount) from ledger").fetchone() == (len(rows),)
        # Its requests are recognised.
        (row,) = store.stored_samples(1, 1).items()
        assert row[1] == range(1)


def test_a_store_that_is_lost_while_grading_is_noticed_and_saved(path):
    def grade(text, reference):
        if path.exists():
            path.unlink()
        return 1.0

    grade.needs_reference = False
    collector = OutcomeCollector({"m": Backend()}, grade, 1, path)
    with pytest.raises(StoreError, match="'outcomes.sqlite' was deleted; .* is kept") as caught:
        collector.collect(QUERIES[:5])
    assert len(read_responses(caught.value.kept_in)) == 5


def test_another_store_in_the_place_of_a_lost_one_is_left_as_it_is(path):
    other = path.with_name("other.sqlite")
    collect(other, queries=QUERIES[:3])
    content = other.read_bytes()
    with pytest.raises(StoreError, match="was replaced"):
        collect(path, Backend(lambda: os.replace(other, path)))
    assert path.read_bytes() == content
    assert len(read_store(path).score) == 3


def test_few_file_descriptors_are_not_mistaken_for_a_loss(path):
    code = (
        "import resource, sys; sys.path[:0] = [sys.argv[1]]; from store_processes import "
        "collect_from_server; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)); "
        "outcomes = collect_from_server(sys.argv[2], sys.argv[3], 100, concurrency=40); "
        "assert len(outcomes.score) == 100"
    )
    with FakeServer(latency=0.05) as server:
        arguments = [sys.executable, "-c", code, str(TESTS), str(path), server.base_url]
        subprocess.run(arguments, check=True, timeout=120)
        assert len(server.prompts) == server.prompts.total() == 100


# ---- damage and tampering --------------------------------------------------------


def use_in_every_way(path):
    """Read, collect and estimate with a store; return the errors, which must be StoreErrors."""
    collector = OutcomeCollector({"m": Backend()}, Contains(), 1, path)
    uses = [
        lambda: read_store(path),
        lambda: read_store(path, grader=Contains()),
        lambda: read_responses(path),
        lambda: collector.estimate(QUERIES[:3]),
        lambda: collector.collect(QUERIES[:3], QUERIES[:3]),
    ]
    errors = []
    for use in uses:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                use()
        except StoreError as error:
            errors.append(error)
    return errors


@pytest.fixture(scope="module")
def good_store(tmp_path_factory):
    """A store with a collection of three queries."""
    path = tmp_path_factory.mktemp("good") / "outcomes.sqlite"
    collect(path, queries=QUERIES[:3])
    return path


@pytest.fixture
def store(good_store, path):
    """A copy of the good store."""
    shutil.copy(good_store, path)
    return path


ENDLESS = "with recursive n(x) as (select 1 union all select x + 1 from n) select x from n"


@pytest.mark.parametrize(
    "tampering",
    [
        f"create view v as {ENDLESS}",
        f"drop table samples; create view samples as {ENDLESS}",
        "drop table cells; create view cells as select 1 as collection, 0 as model, 0 as row, "
        f"0 as paraphrase, x as request from ({ENDLESS})",
        f"create trigger t after insert on claims begin select max(x) from ({ENDLESS}); end",
        "create trigger t before insert on samples begin select raise(ignore); end",
        "create trigger t after insert on samples begin delete from samples; end",
        f"create table extra (x); create trigger t after update on extra begin {ENDLESS}; end",
        "drop table samples",
        "drop table ledger",
        "drop table identity",
        "drop table owners; create table owners (owner text primary key)",
        "alter table samples drop column spent",
        "alter table samples rename column spent to paid",
        "create index i on samples (abs(sample))",
        "create table extra (x)",
    ],
)
def test_a_changed_schema_is_refused(store, tampering):
    with sqlite3.connect(store) as db:
        db.executescript(tampering)
    errors = use_in_every_way(store)
    assert len(errors) == 5
    assert all("it is damaged, or was changed by another program: its " in str(e) for e in errors)


@pytest.mark.parametrize(
    "tampering",
    [
        "update samples set response = x'00ff'",
        "update samples set input_tokens = 'many'",
        "update samples set input_tokens = x'0500000000000000'",
        "update samples set spent = 'much'",
        "update samples set latency = x'00'",
        "update samples set finish_reason = x'00'",
        "update samples set sample = -1",
        "update samples set request = 77 where request = 1",
        "update grades set score = 'good'",
        "update grades set score = 1.5",
        "update grades set score = -1e999",
        "update grades set grading = 'text'",
        "update samples set cost = -1.0",
        "update samples set cost = 1e999",
        "update cells set paraphrase = 1000000000",
        "update cells set paraphrase = -1",
        "update cells set model = 1",
        "update cells set row = row + 1 where row = 2",
        "update cells set request = 1000",
        "update collections set n_samples = 1000000000000",
        "update collections set n_samples = 0",
        "update collections set models = 'm'",
        "update collections set models = '[1]'",
        "update collections set models = '{\"m\": 1}'",
        'update collections set models = \'["m", "m"]\'',
        f"update collections set models = '{'[' * 100_000}'",
        "update collections set updated = 'yesterday'",
        "update queries set query = x'00'",
        "delete from queries where row = 1",
        "update queries set row = row + 1000000000000",
        "update requests set prompt = zeroblob(100000000)",
        "update requests set key = 'text' where id = 1",
        "delete from requests",
        "delete from backends",
        "update backends set settings = 5; update backends set model = x'00'",
        "update samples set response = cast(x'ff' as text)",
        "update ledger set amount = 'much'",
        "insert into owners values ('x', x'00', 1)",
        "insert into claims values (88, 'x')",
    ],
)
def test_values_that_this_package_does_not_write_are_refused(store, tampering):
    with sqlite3.connect(store) as db:
        db.executescript(f"pragma ignore_check_constraints = on; {tampering}")
    errors = use_in_every_way(store)
    # A collection does not use the values of another one, but reading them is refused.
    assert errors
    assert str(store) in str(errors[0])


@pytest.mark.parametrize("reference", ["{", '"another answer"'])
def test_references_that_were_changed_are_refused(store, reference):
    with sqlite3.connect(store) as db:
        db.execute("update queries set reference = ?", (reference,))
    with pytest.raises(StoreError, match="queries or cells of collection 1 have been changed"):
        read_store(store, grader=Contains())


def test_a_page_that_is_used_twice_is_noticed_in_bounded_time(store):
    # Interior pages that refer to one another would multiply the rows beyond all bounds.
    with sqlite3.connect(store) as db:
        page_size = db.execute("pragma page_size").fetchone()[0]
        roots = dict(db.execute("select name, rootpage from sqlite_master where type = 'table'"))
    data = bytearray(store.read_bytes())
    a, b = roots["grades"], roots["samples"]
    first, second = ((number - 1) * page_size for number in (a, b))
    data[second : second + page_size] = data[first : first + page_size]
    store.write_bytes(data)
    assert len(use_in_every_way(store)) == 5


def test_a_schema_with_countless_objects_is_refused_in_bounded_time(path):
    with sqlite3.connect(path) as db:
        db.execute("pragma application_id = 0x44415253")
        db.execute("pragma user_version = 2")
        db.execute("create table a (x)")
        db.execute("pragma writable_schema = on")
        db.execute(
            "insert into sqlite_master with recursive n(x) as (select 1 union all select x + 1 "
            "from n limit 200000) select 'view', 'v' || x, 'v' || x, 0, "
            "'create view v' || x || ' as select 1' from n"
        )
    assert len(use_in_every_way(path)) == 5


@settings(max_examples=60)
@given(data=st.data())
def test_random_damage_gives_a_store_error_or_changes_nothing_but_values(good_store, data):
    content = bytearray(good_store.read_bytes())
    kind = data.draw(st.sampled_from(["flip", "truncate", "zero", "swap", "append"]))
    positions = st.integers(0, len(content) - 1) | st.integers(0, 8191)
    if kind == "flip":
        for _ in range(data.draw(st.integers(1, 30))):
            content[data.draw(positions)] = data.draw(st.integers(0, 255))
    elif kind == "truncate":
        del content[data.draw(positions) :]
    elif kind == "zero":
        start = data.draw(positions)
        length = data.draw(st.integers(1, 4096))
        content[start : start + length] = bytes(len(content[start : start + length]))
    elif kind == "swap":
        first, second = (data.draw(st.integers(0, len(content) // 4096 - 1)) for _ in range(2))
        pages = [slice(page * 4096, (page + 1) * 4096) for page in (first, second)]
        content[pages[0]], content[pages[1]] = content[pages[1]], content[pages[0]]
    else:
        content += data.draw(st.binary(min_size=1, max_size=5000))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcomes.sqlite"
        path.write_bytes(content)
        use_in_every_way(path)


# ---- several collections in one store ---------------------------------------------


class SlowEcho:
    """A backend that takes a moment, and counts the samples that were requested."""

    def __init__(self):
        self.n_samples, self.lock = 0, threading.Lock()

    def __call__(self, prompts, *, n):
        with self.lock:
            self.n_samples += n * len(prompts)
        time.sleep(0.02)
        return [[Response(prompt, cost=1.0, spent=1.0)] * n for prompt in prompts]


def always(score):
    def grade(text, reference):
        return score

    grade.__qualname__ = f"always {score}"
    return grade


def collect_at_the_same_time(path, runs):
    """Collect in one thread per run, given as (grader, n_samples, references)."""
    backend = SlowEcho()
    collectors = [
        OutcomeCollector({"m": backend}, grader, n_samples, path) for grader, n_samples, _ in runs
    ]
    outcomes = Parallel(n_jobs=len(runs), backend="threading", timeout=60)(
        delayed(collector.collect)(QUERIES, references)
        for collector, (_, _, references) in zip(collectors, runs, strict=True)
    )
    return backend, collectors, outcomes


def test_runs_of_different_numbers_of_samples_get_their_own_and_pay_once(path):
    runs = [(Contains(), n_samples, QUERIES) for n_samples in (1, 2, 3)]
    backend, _, results = collect_at_the_same_time(path, runs)
    for n_samples, outcomes in zip((1, 2, 3), results, strict=True):
        assert (outcomes.counts() == n_samples).all()
    assert backend.n_samples == 3 * len(QUERIES)


@pytest.mark.parametrize("differ_in", ["references", "graders", "lambdas"])
def test_runs_of_different_references_or_graders_get_their_own_scores(path, differ_in):
    runs = {
        "references": [(Contains(), 1, QUERIES), (Contains(), 1, ["wrong"] * len(QUERIES))],
        "graders": [(always(1.0), 1, QUERIES), (always(0.0), 1, QUERIES)],
        "lambdas": [(lambda a, b: 1.0, 1, QUERIES), (lambda a, b: 0.0, 1, QUERIES)],
    }[differ_in]
    backend, collectors, results = collect_at_the_same_time(path, runs)
    for score, collector, outcomes in zip((1, 0), collectors, results, strict=True):
        assert outcomes.score.tolist() == [score] * len(QUERIES)
        assert collector.responses_["score"].tolist() == [score] * len(QUERIES)
    assert backend.n_samples == len(QUERIES)


def test_a_later_run_does_not_change_the_responses_of_an_earlier_collector(path):
    backend = SlowEcho()
    first = OutcomeCollector({"m": backend}, Contains(), 2, path)
    first.collect(QUERIES, QUERIES)
    before = first.responses_
    for grader, n_samples, references in (
        (Contains(), 1, QUERIES),
        (Contains(), 2, ["wrong"] * len(QUERIES)),
        (always(0.5), 3, QUERIES),
    ):
        OutcomeCollector({"m": backend}, grader, n_samples, path).collect(QUERIES, references)
        assert first.responses_.equals(before)
    assert backend.n_samples == 3 * len(QUERIES)
    assert set(read_store(path).score) == {0.5}  # the last one
    assert set(read_store(path, collection=1).score) == {1.0}


@pytest.mark.parametrize("store", [":memory:", "file:outcomes.sqlite?mode=rwc"])
def test_an_address_of_sqlite_is_no_store_and_leaves_no_file(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    collector = OutcomeCollector({"m": SlowEcho()}, Contains(), 1, store)
    for use in (collector.collect, collector.estimate, collector.fit):
        with pytest.raises(ValueError, match="use store=None"):
            use(QUERIES, *([QUERIES] if use == collector.collect else []))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("store", [b"outcomes.sqlite", 7])
def test_a_store_that_is_no_path_is_refused_before_anything_is_requested(store):
    backend = SlowEcho()
    with pytest.raises(TypeError, match="must be the path of a file as a str or Path"):
        OutcomeCollector({"m": backend}, Contains(), 1, store).collect(QUERIES, QUERIES)
    assert backend.n_samples == 0


def test_a_relative_store_is_found_after_the_working_folder_has_changed(tmp_path, monkeypatch):
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.chdir(folders[0])
    collector = OutcomeCollector({"m": SlowEcho()}, Contains(), 1, "outcomes.sqlite")
    collector.collect(QUERIES, QUERIES)
    monkeypatch.chdir(folders[1])
    assert len(collector.responses_) == len(QUERIES)
    assert list(folders[1].iterdir()) == []


def test_warnings_that_are_errors_lose_no_response():
    def cut(prompts, *, n):
        return [[Response(prompt, finish_reason="length")] * n for prompt in prompts]

    collector = OutcomeCollector({"m": cut}, Contains(), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(CollectionWarning, match="were cut by the token limit"):
            collector.collect(QUERIES, QUERIES)
    assert collector.responses_["response"].tolist() == QUERIES


def test_a_random_seed_that_pays_again_is_mentioned(path):
    collector = OutcomeCollector({"m": SlowEcho()}, Contains(), 1, path, random_state=None)
    collector.collect(QUERIES, QUERIES)
    with pytest.warns(CollectionWarning, match="requested and paid for again") as caught:
        collector.collect(QUERIES, QUERIES)
    assert len(caught) == 1


def test_settings_that_are_equal_are_not_paid_for_again(path):
    for temperature, n_samples in ((1, len(QUERIES)), (1.0, 0), (True, len(QUERIES))):
        backend = SlowEcho()
        backend.settings = {"temperature": temperature}
        OutcomeCollector({"m": backend}, Contains(), 1, path).collect(QUERIES, QUERIES)
        assert backend.n_samples == n_samples


# ---- versions --------------------------------------------------------------------


@pytest.fixture
def old_store(path):
    """A store of version 1, as an earlier release wrote it."""
    script = (Path(__file__).parents[1] / "store" / "store_of_version_1.sql").read_text()
    with sqlite3.connect(path) as db:
        db.executescript(script)
    return path


def test_an_older_store_is_read_without_being_changed(old_store):
    content = old_store.read_bytes()
    outcomes = read_store(old_store)
    assert outcomes.queries.tolist() == ["red", "blue"]
    assert outcomes.score.tolist() == [1.0, 1.0, 0.0]
    assert read_responses(old_store)["spent"].sum() == 5.5
    assert old_store.read_bytes() == content


def test_an_older_store_is_migrated_with_everything_in_it(old_store):
    before = read_responses(old_store)
    with Store(old_store) as store:
        rows = store._db.execute("select request, amount, unpriced from ledger order by request")
        assert rows.fetchall() == [(1, 5.5, 0), (2, 0.0, 1)]
        assert store._db.execute("select count(*) from claims").fetchone() == (0,)
    assert read_responses(old_store).equals(before)
    with Store(old_store):
        pass  # it is not migrated twice


@pytest.mark.parametrize("version", [1, 2])
def test_a_collection_of_an_older_store_keeps_its_number(old_store, version):
    if version == 2:
        with closing(sqlite3.connect(old_store)) as db, db:
            for statement in _schema._MIGRATIONS[0].split(";"):
                db.execute(statement)
            db.execute("pragma user_version = 2")
    before = read_responses(old_store)
    with Store(old_store) as store:
        assert store._db.execute("pragma user_version").fetchone() == (3,)
        old = StoredCollection(store._db, 1, old_store)
        again = store.put_collection(
            old.models, old.n_samples, old._read_queries(), old._read_cells().fetchall()
        )
        assert again.id == 1
    assert read_responses(old_store).equals(before)


def test_several_processes_may_migrate_a_store_at_the_same_time(old_store, tmp_path):
    with start_processes(
        collect_slowly, [{}] * 3, path=str(old_store), log=str(tmp_path / "log"), n_queries=20
    ) as processes:
        assert wait_for(processes) == [0, 0, 0]
    assert Counter((tmp_path / "log").read_text().splitlines()).total() == 20


def test_a_newer_store_is_refused_and_left_unchanged(store):
    with sqlite3.connect(store) as db:
        db.execute("pragma user_version = 4")
        db.execute("create table of_the_future (x)")
    content = store.read_bytes()
    errors = use_in_every_way(store)
    assert len(errors) == 5
    assert all("has schema version 4, but this release" in str(error) for error in errors)
    assert store.read_bytes() == content


# ---- what held up before -----------------------------------------------------------


@pytest.mark.parametrize("n_kills", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_two_processes_on_one_store_may_be_killed_at_any_moment(path, n_kills):
    rng = random.Random(0)
    concurrency = 4
    arguments = {"path": str(path), "n_queries": 40 * (n_kills + 1), "concurrency": concurrency}
    n_lost = 0
    with FakeServer(latency=0.02) as server:
        for _ in range(n_kills):
            n_before = len(server.requests)
            stored = prompts_in(path)
            with start_processes(
                collect_from_server, [{}, {}], base_url=server.base_url, **arguments
            ) as processes:
                n_until, deadline = n_before + rng.randrange(40), time.monotonic() + 20
                while len(server.requests) <= n_until and time.monotonic() < deadline:
                    time.sleep(0.001)
                os.kill(processes[0].pid, signal.SIGKILL)
                time.sleep(rng.random() * 0.1)
            time.sleep(0.1)  # requests in flight may still reach the server
            requested = Counter(map(prompt_of, server.requests[n_before:]))
            assert not requested.keys() & stored
            lost = requested.keys() - prompts_in(path)
            # Those of the process that was killed first may have been requested again.
            assert len(lost) <= 2 * 2 * concurrency
            assert requested.total() - len(requested) <= 2 * concurrency
            n_lost += len(lost) + requested.total() - len(requested)
        with start_processes(
            collect_from_server, [{}, {}], base_url=server.base_url, **arguments
        ) as processes:
            assert wait_for(processes) == [0, 0]
        assert len(server.requests) == arguments["n_queries"] + n_lost
    assert (read_store(path).counts() == 1).all()
    assert not read_responses(path).duplicated(["query", "sample"]).any()


def prompts_in(path):
    """Return the prompts that have a response in a store, which may not exist yet."""
    try:
        return set(read_responses(path).dropna(subset="response")["prompt"])
    except StoreError:  # killed before the collection was created
        return set()


def test_a_full_disk_keeps_what_was_stored_and_the_run_can_go_on(tmp_path):
    folder = tmp_path / "mounted"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    path = folder / "outcomes.sqlite"
    requested = Counter()

    def write_much(prompts, *, n):
        requested.update(prompts)
        return [[prompt * 1000] * n for prompt in prompts]

    try:
        collector = OutcomeCollector({"m": write_much}, Contains(), 1, path)
        with pytest.raises(StoreError, match="its disk is full"):
            collector.collect(QUERIES, QUERIES)
        stored = prompts_in(path)
        assert len(requested) - 2 <= len(stored) <= len(requested)
        subprocess.run(["mount", "-o", "remount,size=50m", str(folder)], check=True)
        assert len(collector.collect(QUERIES, QUERIES).score) == len(QUERIES)
        assert all(requested[prompt] == 1 for prompt in stored)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_threads_may_collect_into_one_store_at_the_same_time(path):
    backend, errors = Backend(), []

    def collect_and_note_errors():
        try:
            collect(path, backend, QUERIES[:50])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=collect_and_note_errors) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert backend.requested == dict.fromkeys(QUERIES[:50], 1)


def collect_and_count(path, n):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return len(collect(path, queries=QUERIES[:n]).score)


def test_jobs_of_joblib_may_collect_into_one_store(path):
    jobs = [delayed(collect_and_count)(str(path), 20) for _ in range(3)]
    assert Parallel(n_jobs=2, backend="loky")(jobs) == [20, 20, 20]
    assert len(read_responses(path)) == 20


def test_a_process_may_be_forked_after_a_collection(path):
    collect(path, queries=QUERIES[:5])
    process = multiprocessing.get_context("fork").Process(
        target=collect_and_count, args=(str(path), 10)
    )
    process.start()
    assert wait_for([process]) == [0]
    backend = Backend()
    collect(path, backend, QUERIES[:10])
    assert backend.requested.total() == 0


def test_stored_responses_are_recognised_under_every_hash_seed(path):
    code = (
        "import sys; sys.path[:0] = [sys.argv[1]]; from store_processes import collect_slowly; "
        "collect_slowly(sys.argv[2], sys.argv[3], 10)"
    )
    log = path.with_name("log")
    for seed in ("0", "1", "random"):
        subprocess.run(
            [sys.executable, "-c", code, str(TESTS), str(path), str(log)],
            check=True,
            timeout=120,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
    assert len(log.read_text().splitlines()) == 10
    np.testing.assert_array_equal(read_store(path).score, np.ones(10))

import multiprocessing
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from collect_when_told import CONCURRENCY, N_PROMPTS, N_SAMPLES, collector, queries
from servers import FakeServer, prompt_of

from dars_sklearn import OutcomeCollector
from dars_sklearn.generate import BackendError, Response
from dars_sklearn.grade import Contains, ExactMatch
from dars_sklearn.store import Store, StoreError, read_responses, read_store


class Counting:
    """A backend that counts what it is asked, and numbers its samples."""

    def __init__(self, **settings):
        self.settings = settings
        self.asked = Counter()

    def __deepcopy__(self, memo):
        return self

    def __call__(self, prompts, *, n, seeds):
        for prompt in prompts:
            self.asked[prompt] += n
        return [
            [Response(f"{p} {seed}/{i}", input_tokens=3, output_tokens=4, cost=0.5, latency=0.25)
             for i in range(n)]
            for p, seed in zip(prompts, seeds, strict=True)
        ]  # fmt: skip


QUERIES = np.array([["red", "crimson"], ["blue", "azure"]], dtype=object)


def collect(path, backend, n_samples=3, grader=None, **parameters):
    parameters.setdefault("random_state", 0)
    models = parameters.pop("models", {"m": backend})
    made = OutcomeCollector(models, grader or Contains(), n_samples, store=path, **parameters)
    return made.collect(QUERIES, ["red", "blue"])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outcomes.sqlite"


def test_what_is_held_is_not_asked_again(path):
    backend = Counting()
    first = collect(path, backend)
    assert backend.asked.total() == 12
    pd.testing.assert_frame_equal(collect(path, backend).to_frame(), first.to_frame())
    assert backend.asked.total() == 12
    more = collect(path, backend, n_samples=5)
    assert backend.asked.total() == 20  # the rest only
    assert (more.counts() == 10).all()
    assert (collect(path, backend, n_samples=2).counts() == 4).all()
    assert backend.asked.total() == 20


def test_samples_drawn_later_have_another_seed(path):
    collect(path, Counting(), n_samples=2)
    collect(path, Counting(), n_samples=4)
    by_prompt = read_responses(path).groupby("prompt")["response"]
    assert (by_prompt.nunique() == 4).all()


@pytest.mark.parametrize(
    "change",
    [
        {"backend": Counting(temperature=0.1)},
        {"models": {"other": Counting()}},
        {"random_state": 1},
    ],
    ids=["settings", "name", "random_state"],
)
def test_changing_what_determines_an_answer_asks_anew(path, change):
    collect(path, Counting())
    backend = change.pop("backend", None) or change.get("models", {}).get("other") or Counting()
    collect(path, backend, **change)
    assert backend.asked.total() == 12


def test_another_grader_costs_no_generation(path):
    backend = Counting()
    assert collect(path, backend).score.mean() == 0.5
    assert collect(path, backend, grader=ExactMatch()).score.mean() == 0
    assert backend.asked.total() == 12
    assert read_store(path).score.mean() == 0


def test_outcomes_are_read_without_a_backend(path):
    outcomes = collect(path, Counting())
    pd.testing.assert_frame_equal(read_store(path).to_frame(), outcomes.to_frame())
    assert list(read_responses(path)["response"].str.split().str[0][:3]) == ["red"] * 3
    other = OutcomeCollector({"m": Counting()}, Contains(), 1, store=path)
    other.collect(["green"], ["green"])
    assert read_store(path).queries.tolist() == ["green"]
    assert read_store(path, collection=1).queries.tolist() == ["red", "blue"]
    with pytest.raises(StoreError, match=r"holds collections \[1, 2\], none numbered 3"):
        read_store(path, collection=3)


def test_a_failure_is_recorded_and_asked_again(path):
    class Flaky(Counting):
        broken = True

        def __call__(self, prompts, *, n, seeds):
            if self.broken and "azure" in prompts:
                raise RuntimeError("out of order")
            return super().__call__(prompts, n=n, seeds=seeds)

    backend = Flaky()
    with pytest.warns(UserWarning, match="3 of 12 samples of model 'm' failed.*out of order"):
        outcomes = collect(path, backend)
    assert outcomes.counts().tolist() == [[6], [3]]
    failed = read_responses(path).query("response.isna()")
    assert failed["prompt"].unique().tolist() == ["azure"]
    assert failed["error"].str.contains("out of order").all()
    backend.broken = False
    assert collect(path, backend).counts().tolist() == [[6], [6]]
    assert backend.asked.total() == 12
    assert read_responses(path)["error"].isna().all()


def test_too_many_failures_are_an_error_that_keeps_everything(path):
    asked = Counter()

    def dying(prompts, *, n):
        asked.update(prompts)
        if asked.total() > 5:
            raise RuntimeError("died")
        return [["x"] * n for _ in prompts]

    made = OutcomeCollector({"m": dying}, Contains(), 2, store=path, max_failure_rate=0.2)
    many = [f"query {number}" for number in range(1000)]
    with pytest.raises(BackendError, match=r"15 of 20 requests failed.*died"):
        made.collect(many, many)
    assert asked.total() < 25  # it is noticed early
    assert read_responses(path)["response"].notna().sum() == 10


def test_a_broken_grader_is_found_on_the_first_response(path):
    backend = Counting()
    with pytest.raises(ValueError, match=r"failed on the first response.*score 7.0 is not in"):
        collect(path, backend, grader=lambda text, reference: 0.0 if text == "" else 7.0)
    assert backend.asked.total() <= 6
    assert collect(path, backend).score.mean() == 0.5
    assert backend.asked.total() == 12  # nothing was paid twice


def test_every_response_is_on_the_disk_soon_after_it_arrived(path):
    release = threading.Event()

    def slow(prompts, *, n):
        if prompts == ["azure"]:
            release.wait(10)
        return [["x"] * n for _ in prompts]

    thread = threading.Thread(target=collect, args=(path, slow))
    thread.start()
    time.sleep(1.0)  # three prompts take no time, the fourth waits
    held = read_responses(path)["response"].notna().sum()
    release.set()
    thread.join()
    assert held == 9


def test_two_processes_share_a_store_and_the_work(path):
    with FakeServer(latency=0.01) as server:
        context = multiprocessing.get_context("spawn")
        processes = [
            context.Process(target=_collect_in_process, args=(path, server.base_url))
            for _ in range(2)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
        assert set(server.prompts.values()) == {N_SAMPLES}
    assert len(read_store(path).score) == N_PROMPTS * N_SAMPLES


def _collect_in_process(path, base_url):
    outcomes = collector(path, base_url).collect(queries(), queries())
    assert len(outcomes.score) == N_PROMPTS * N_SAMPLES


def test_claims_of_the_dead_are_taken_over(path):
    collect(path, Counting(), n_samples=1)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with sqlite3.connect(path) as db:
        owner = f"{os.uname().nodename}:{dead.pid}:1"
        elsewhere = "another-host:1:1"
        db.execute("insert into owners values (?, ?)", (owner, time.time() + 1000))
        db.execute("insert into owners values (?, ?)", (elsewhere, time.time() + 2.0))
        db.execute("insert into claims select id, ? from requests where prompt = 'red'", (owner,))
        db.execute(
            "insert into claims select id, ? from requests where prompt = 'blue'", (elsewhere,)
        )
    start = time.monotonic()
    assert (collect(path, Counting()).counts() == 6).all()
    assert 1.0 < time.monotonic() - start < 5.0  # as long as the other host may be alive


def test_killed_at_any_moment_nothing_is_lost_and_nothing_committed_is_asked_again(path, capsys):
    rng = random.Random(0)
    script = Path(__file__).with_name("collect_when_told.py")
    n_lost = 0
    with FakeServer(latency=0.01) as server:
        zygote = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(50):
            held, before = _prompts_held(path), len(server.requests)
            print(path, server.base_url, file=zygote.stdin, flush=True)
            pid = int(zygote.stdout.readline())
            until, deadline = before + rng.randrange(40), time.monotonic() + 5
            while len(server.requests) <= until and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(rng.random() * 0.02)
            os.kill(pid, signal.SIGKILL)
            assert int(zygote.stdout.readline()) == signal.SIGKILL
            time.sleep(0.03)  # what is in flight may still reach the server
            asked = Counter(map(prompt_of, server.requests[before:]))
            assert not asked.keys() & held
            lost = asked.keys() - _prompts_held(path)
            assert len(lost) <= 2 * CONCURRENCY
            n_lost += len(lost)
        assert len(_prompts_held(path)) < N_PROMPTS  # the last kill was during the collection
        print(path, server.base_url, file=zygote.stdin, flush=True)
        zygote.stdout.readline()
        assert int(zygote.stdout.readline()) == 0
        zygote.communicate()
        n_asked = len(server.requests)
    assert n_asked == N_PROMPTS + n_lost
    outcomes = read_store(path)
    assert (outcomes.counts() == N_SAMPLES).all()
    assert not read_responses(path).duplicated(["query", "sample"]).any()
    with capsys.disabled():
        print(f"\n50 kills: {n_asked} requests for {N_PROMPTS}, {n_lost} in flight at a kill")


def _prompts_held(path):
    if not path.exists():
        return set()
    with sqlite3.connect(path) as db:
        try:
            rows = db.execute("select prompt from samples join requests on request = requests.id")
        except sqlite3.OperationalError:  # killed before the tables were there
            return set()
        return {prompt for (prompt,) in rows}


def test_ctrl_c_stops_in_order(path):
    with FakeServer(latency=0.05) as server:
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); import collect_when_told as c; "
            "c.collector(*sys.argv[2:]).collect(c.queries(), c.queries())"
        )
        arguments = [str(Path(__file__).parent), str(path), server.base_url]
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True
        )
        while len(server.requests) < 20:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        _, error = process.communicate(timeout=10)
        assert time.monotonic() - start < 4
    assert error.strip().endswith("KeyboardInterrupt")
    assert 10 <= len(_prompts_held(path)) < 60
    with sqlite3.connect(path) as db:
        assert db.execute("select count(*) from claims").fetchone() == (0,)


# ---- files that cannot be used ----------------------------------------------------


def test_only_its_owner_can_read_a_store(path):
    collect(path, Counting())
    with Store(path):  # with its side files
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("use", [lambda path: collect(path, Counting()), read_store])
def test_files_that_are_no_store_are_named(path, use):
    path.write_text("query,score\n" * 100)
    with pytest.raises(StoreError, match="no SQLite file"):
        use(path)
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("create table other (x)")
    with pytest.raises(StoreError, match="another SQLite file"):
        use(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="is a folder|no store"):
        use(path)


def test_a_store_of_another_schema_is_named(path):
    collect(path, Counting())
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version = 99")
    with pytest.raises(StoreError, match="schema version 99, and this dars_sklearn reads version"):
        collect(path, Counting())


def test_a_truncated_store_is_named(path):
    collect(path, Counting(), n_samples=200)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3])
    with pytest.raises(StoreError, match="damaged or truncated"):
        read_store(path)


def test_there_is_no_store_to_read(path):
    with pytest.raises(StoreError, match="there is no store at"):
        read_store(path)


def _mounted(tmp_path, options):
    folder = tmp_path / "mounted"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this needs the right to mount a small disk")
    return folder


def test_a_full_disk_is_an_error_that_keeps_what_was_collected(tmp_path):
    folder = _mounted(tmp_path, "size=1m")
    path = folder / "outcomes.sqlite"

    def verbose(prompts, *, n):
        return [[prompt * 1000 for _ in range(n)] for prompt in prompts]

    many = [f"query {number}" for number in range(1000)]
    try:
        made = OutcomeCollector({"m": verbose}, Contains(), 2, store=path)
        with pytest.raises(StoreError, match="its disk is full"):
            made.collect(many, many)
        assert read_responses(path)["response"].notna().sum() > 10
        assert len(read_store(path).score) <= 1  # there was no time to grade
        assert (read_store(path, grader=Contains()).counts()[:10] == 2).all()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_read_only_store_can_be_read(tmp_path):
    folder = _mounted(tmp_path, "size=10m")
    path = folder / "outcomes.sqlite"
    try:
        outcomes = collect(path, Counting())
        remount = ["mount", "-o", "remount,ro", str(folder)]
        subprocess.run(remount, check=True)
        pd.testing.assert_frame_equal(read_store(path).to_frame(), outcomes.to_frame())
        with pytest.raises(StoreError, match="read-only"):
            collect(path, Counting(), n_samples=5)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)

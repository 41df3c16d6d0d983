"""Issue 13, item 9: ``max_cost`` holds, whatever is shared, killed, unreported or unreadable.

Output costs 1 per token and input nothing. What a server bills is counted by the server itself,
whatever it reports.
"""

import random
import re
import sqlite3
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import FakeServer, answer, raw, refusal
from store_processes import collect_from_server, make_collector, start_processes, wait_for

from dars_sklearn import OutcomeCollector
from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.generate import BackendError, Response
from dars_sklearn.grade import Contains
from dars_sklearn.store import read_responses

MAX_COST = 30
N_QUERIES = 60
QUERIES = [f"query {number}" for number in range(N_QUERIES)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outcomes.sqlite"


class BillingServer(FakeServer):
    """A server that bills 2 tokens per response, and reports what ``report`` says.

    ``report(number, body)`` returns "usage", or a fault: "no usage", "unreadable" (billed) or
    "refused" (not billed).
    """

    def __init__(self, report=lambda number, body: "usage", latency=0.003, billed_tokens=2):
        super().__init__(self._bill, latency)
        self.report, self.billed_tokens = report, billed_tokens
        self.billed = 0

    def _bill(self, number, body):
        fault = self.report(number, body)
        if fault == "refused":
            return refusal(400, "this prompt is refused")
        billed = self.billed_tokens * body.get("n", 1)
        self.billed += billed
        if fault == "unreadable":
            return raw("<html>")
        if fault == "no usage":
            return {"usage": None}
        return {"usage": answer(body)["usage"] | {"completion_tokens": billed}}


def collect(path, server, **parameters):
    """Collect from a server within the budget; return whether it was exhausted."""
    collector = make_collector(path, server.base_url, max_cost=MAX_COST, **parameters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with suppress(ValueError):  # no response could be graded
            collector.collect(QUERIES, QUERIES)
    return any("max_cost=30 is reached" in str(warning.message) for warning in caught)


# ---- several processes -----------------------------------------------------------


@pytest.mark.parametrize("n_processes", [1, 2, 4])
def test_processes_that_share_a_store_share_its_budget(path, n_processes):
    with BillingServer() as server:
        with start_processes(
            collect_from_server,
            [{}] * n_processes,
            path=str(path),
            base_url=server.base_url,
            n_queries=N_QUERIES,
            max_cost=MAX_COST,
        ) as processes:
            assert wait_for(processes) == [0] * n_processes
        assert server.billed == MAX_COST  # nothing is left over, either
    assert read_responses(path)["spent"].sum() == MAX_COST


def test_what_another_process_has_reserved_is_waited_for(path):
    # A response costs 1 and at most 2, so the last request is affordable only once the others
    # are settled.
    with BillingServer(billed_tokens=1, latency=0.3) as server:
        with start_processes(
            collect_from_server,
            [{}, {}],
            path=str(path),
            base_url=server.base_url,
            n_queries=8,
            max_cost=9,
            concurrency=1,
        ) as processes:
            assert wait_for(processes) == [0, 0]
        assert server.billed == 8


def test_a_process_that_was_killed_is_charged_for_what_it_had_sent(path):
    with BillingServer(latency=0.5) as server:
        arguments = {"path": str(path), "base_url": server.base_url, "n_queries": N_QUERIES}
        with start_processes(collect_from_server, [{}], max_cost=MAX_COST, **arguments) as killed:
            while server.billed < 8:  # billed before the answer is sent
                killed[0].join(0.01)
        server.latency = 0.003
        assert collect(path, server)
        assert server.billed <= MAX_COST
    assert 0 < read_responses(path)["spent"].sum() < server.billed


# ---- what is not known -----------------------------------------------------------


def test_unreported_usage_is_charged_at_its_bound_in_every_later_run(path):
    with BillingServer(lambda number, body: "no usage") as server:
        for _ in range(4):
            assert collect(path, server)
            assert server.billed == MAX_COST


def test_unreadable_answers_are_charged_at_their_bound(path):
    with BillingServer(lambda number, body: "unreadable") as server:
        for _ in range(2):
            assert collect(path, server, max_retries=1)
            assert 20 <= server.billed <= MAX_COST


def test_requests_that_a_server_refuses_cost_nothing(path):
    def refuse_most(number, body):
        return "refused" if number < 50 else "usage"

    with BillingServer(refuse_most) as server:
        collect(path, server)
        assert server.billed == 2 * (N_QUERIES - 50)
        assert collect(path, server)
        assert server.billed == MAX_COST


class Failing:
    """A backend that may cost 3 per sample, and raises an error that may say what was paid."""

    def __init__(self, spent):
        self.spent, self.n_requests = spent, 0

    def __call__(self, prompts, *, n):
        self.n_requests += 1
        error = BackendError("out of order")
        error.spent = self.spent
        raise error

    def highest_price(self, prompt, n):
        return 3.0 * n


@pytest.mark.parametrize(
    ("spent", "n_requests"),
    [
        (0.0, 60),
        (1.0, 28),
        (float("nan"), 10),
        (float("inf"), 10),
        (-1.0, 10),
    ],
)
def test_an_error_is_charged_at_what_it_says_or_else_at_its_bound(path, spent, n_requests):
    backend = Failing(spent)
    collector = OutcomeCollector(
        {"m": backend}, Contains(), 1, path, max_cost=MAX_COST, max_failure_rate=1.0
    )
    with pytest.warns(CollectionWarning), pytest.raises(ValueError, match="no response"):
        collector.collect(QUERIES, QUERIES)
    assert backend.n_requests == n_requests


def test_responses_of_unknown_price_of_earlier_runs_without_a_limit_count(path):
    class Backend(Failing):
        def __call__(self, prompts, *, n):
            self.n_requests += 1
            return [[Response(prompt)] * n for prompt in prompts]

    class Unpriced:
        def __call__(self, prompts, *, n):
            return [[Response(prompt)] * n for prompt in prompts]

    OutcomeCollector({"m": Unpriced()}, Contains(), 2, path).collect(QUERIES[:4], QUERIES[:4])
    backend = Backend(0.0)
    collector = OutcomeCollector({"m": backend}, Contains(), 2, path, max_cost=MAX_COST)
    with pytest.warns(CollectionWarning, match="max_cost=30 is reached: 5 requests were not sent"):
        collector.collect(QUERIES[:10], QUERIES[:10])
    assert backend.n_requests == 1  # 4 x 2 x 3 are charged for the earlier ones


# ---- which limit is enough ---------------------------------------------------------


def test_a_limit_that_allows_nothing_is_an_error_that_names_one_that_is_enough(path):
    with BillingServer() as server:
        collector = make_collector(path, server.base_url, max_cost=1)
        needed = make_collector(path, server.base_url).estimate(QUERIES)["max_cost"].sum()
        assert needed == 2 * N_QUERIES
        message = f"max_cost=1 is too low to collect anything: .* max_cost={needed:g} is enough"
        with pytest.raises(ValueError, match=message):
            collector.collect(QUERIES, QUERIES)
        assert server.billed == 0


def test_the_warning_names_a_limit_that_is_enough(path):
    with BillingServer(billed_tokens=1) as server:
        collector = make_collector(path, server.base_url, max_cost=30)
        with pytest.warns(CollectionWarning, match="which is enough for all") as caught:
            collector.collect(QUERIES, QUERIES)
        (limit,) = re.findall(r"collect again with max_cost=([0-9.]+)", str(caught[0].message))
        assert float(limit) == collector.estimate(QUERIES)["max_cost"].sum()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            collector.set_params(max_cost=float(limit)).collect(QUERIES, QUERIES)
        assert server.billed == N_QUERIES


# ---- more than was reserved ------------------------------------------------------


def test_a_server_that_bills_more_than_reserved_stops_the_run_which_names_it(path):
    message = (
        r"model 'm' billed 6 for a request that may cost 2 at most, so max_cost=60 .*: 1 samples "
        r"of the prompt 'query \d+'; compare the prices, max_tokens and template"
    )
    with BillingServer(billed_tokens=6) as server:
        collector = make_collector(path, server.base_url, max_cost=60)
        with pytest.raises(BackendError, match=message):
            collector.collect(QUERIES, QUERIES)
        assert len(server.requests) <= 2 * 2 * 2  # what was in flight, twice the concurrency
        assert read_responses(path)["spent"].sum() >= 6  # and what was paid for is kept
        assert server.billed <= 2 * 2 * 2 * 6


# ---- all of it together ----------------------------------------------------------


@settings(max_examples=5)
@given(
    n_processes=st.integers(1, 3),
    n_samples=st.integers(1, 3),
    max_cost=st.integers(10, 80),
    kill_at=st.none() | st.integers(1, 20),
    seed=st.integers(0, 2**16),
)
def test_a_budget_holds_whatever_happens(n_processes, n_samples, max_cost, kill_at, seed):
    def report(number, body):
        # Random numbers of one thread, and known for each request.
        kinds = ["usage", "no usage", "unreadable", "refused"]
        return random.Random(seed + number).choices(kinds, [6, 1, 1, 1])[0]

    with tempfile.TemporaryDirectory() as folder, BillingServer(report) as server:
        path = Path(folder) / "outcomes.sqlite"
        for is_last in (False, True):
            with start_processes(
                collect_from_server,
                [{}] * n_processes,
                path=str(path),
                base_url=server.base_url,
                n_queries=20,
                n_samples=n_samples,
                max_cost=max_cost,
            ) as processes:
                while not is_last and kill_at and server.billed < kill_at:
                    processes[0].join(0.001)
                    if not any(process.is_alive() for process in processes):
                        break
                if is_last or not kill_at:
                    assert None not in wait_for(processes)
            assert server.billed <= max_cost
        with sqlite3.connect(path) as db:
            (charged,) = db.execute("select sum(amount) from ledger").fetchone()
        assert server.billed <= charged + 1e-9 <= max_cost + 1e-6

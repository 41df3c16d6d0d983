"""Speed, memory and resumption of collection over HTTP.

    python benchmarks/collection.py [--requests 4000]

The collector is compared with the official asynchronous client of OpenAI, which stores nothing, and
with a thread pool that writes JSON lines. A server in another process answers every request after a
fixed latency. Each request is for one sample of about 100 characters. Then the peak memory, and the
time that it takes to collect a million outcomes from a backend without latency, and to resume from
a store that contains all of them. Requires the extra ``openai``, and requests and aiohttp.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import requests
from _timing import time_call

from dars_sklearn import OutcomeCollector
from dars_sklearn.generate import OpenAIBackend, Response
from dars_sklearn.grade import Contains

CONCURRENCY = 64
RESPONSE = {
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x" * 99}}
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 30},
}


# ---- server ------------------------------------------------------------------------


def serve(latency):
    """Answer every request after a latency, until the process is killed; print the port."""
    from aiohttp import web

    async def answer(request):
        await request.read()
        await asyncio.sleep(latency)
        return web.json_response(RESPONSE)

    async def list_models(request):
        return web.json_response({"data": []})

    async def run():
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        app.router.add_get("/v1/models", list_models)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


class ServerProcess:
    """A server in a process of its own."""

    def __init__(self, latency):
        command = [sys.executable, __file__, "--serve", str(latency)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.base_url = f"http://127.0.0.1:{int(self.process.stdout.readline())}/v1"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()


# ---- throughput --------------------------------------------------------------------


def make_prompts(n):
    """Return distinct prompts."""
    return [f"What is the answer to question number {number}?" for number in range(n)]


def request_by_collector(base_url, n, folder):
    """Collect with this package, and store every response."""
    backend = OpenAIBackend("m", base_url, concurrency=CONCURRENCY)
    store = Path(folder) / f"{time.time_ns()}.sqlite"
    collector = OutcomeCollector({"m": backend}, Contains(), n_samples=1, store=store)
    outcomes = collector.collect(make_prompts(n), ["x"] * n)
    assert len(outcomes.score) == n


def request_by_client(base_url, n, folder):
    """Collect with the official asynchronous client and a semaphore, and store nothing."""
    import openai

    async def run():
        client = openai.AsyncOpenAI(
            base_url=base_url, api_key="none", http_client=openai.DefaultAioHttpClient()
        )
        semaphore = asyncio.Semaphore(CONCURRENCY)

        async def request(prompt):
            async with semaphore:
                response = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": prompt}], max_tokens=512
                )
                return response.choices[0].message.content

        texts = await asyncio.gather(*map(request, make_prompts(n)))
        await client.close()
        return texts

    assert len(asyncio.run(run())) == n


def request_by_threads(base_url, n, folder):
    """Collect with a thread pool, one session per thread, and write flushed JSON lines."""
    local, lock = threading.local(), threading.Lock()

    def request(prompt):
        if not hasattr(local, "session"):
            local.session = requests.Session()
        body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "max_tokens": 512}
        response = local.session.post(f"{base_url}/chat/completions", json=body).json()
        with lock:
            file.write(json.dumps({"prompt": prompt, "choice": response["choices"][0]}) + "\n")
            file.flush()

    path = Path(folder) / f"{time.time_ns()}.jsonl"
    with path.open("w") as file, ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(request, make_prompts(n)))


class Usage(NamedTuple):
    """Wall time and processor time of a call, in seconds."""

    wall: float
    processor: float


def measure_usage(function, *arguments):
    """Measure the time of one call."""
    processor = time.process_time()
    wall = time_call(function, *arguments).seconds
    return Usage(wall, time.process_time() - processor)


def print_throughput(latency, n, folder):
    """Print the throughput of all three at one latency, the fastest of three runs each."""
    ideal = CONCURRENCY / latency
    print(
        f"{n} requests, latency {latency * 1000:.0f} ms, concurrency {CONCURRENCY}: ideal "
        f"{ideal:.0f} requests per second"
    )
    methods = {
        "client": request_by_client,
        "collector": request_by_collector,
        "thread pool": request_by_threads,
    }
    rates = {}
    with ServerProcess(latency) as server:
        for name, method in methods.items():
            method(server.base_url, 2 * CONCURRENCY, folder)  # imports and first connections
            usage = min(measure_usage(method, server.base_url, n, folder) for _ in range(3))
            rates[name] = n / usage.wall
            print(
                f"  {name}: {rates[name]:.0f} per second, {rates[name] / ideal:.0%} of the ideal, "
                f"{rates[name] / rates['client']:.0%} of the client, "
                f"{usage.processor / n * 1000:.2f} ms of processor time per request"
            )


# ---- memory and resumption ---------------------------------------------------------


def respond_immediately(texts, *, n):
    """Respond without latency, as a backend."""
    return [[Response(f"{text} {'x' * 400} {i}", 9, 30, 0.1) for i in range(n)] for text in texts]


respond_immediately.batch_size = 200


def collect_without_latency(n_outcomes, path):
    """Collect outcomes, 25 samples per prompt."""
    queries = make_prompts(n_outcomes // 25)
    collector = OutcomeCollector({"m": respond_immediately}, Contains(), n_samples=25, store=path)
    collector.collect(queries, ["x"] * len(queries))


def print_peak_memory(n_outcomes):
    """Collect outcomes, and print the peak of the resident memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        collect_without_latency(n_outcomes, Path(folder) / "store.sqlite")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure_peak_memory(n_outcomes):
    """Return the peak of the resident memory of a collection in a process of its own, in MiB."""
    command = [sys.executable, __file__, "--peak-memory", str(n_outcomes)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_memory_and_resumption(folder):
    """Print the peak memory of two sizes, and the time of a large collection and its repetition."""
    small, large = measure_peak_memory(10_000), measure_peak_memory(100_000)
    print(f"peak memory: {small:.0f} MiB with 10,000 outcomes, {large:.0f} MiB with 100,000")
    path = Path(folder) / "million.sqlite"
    seconds = time_call(collect_without_latency, 1_000_000, path).seconds
    size = path.stat().st_size / 2**20
    print(f"1,000,000 outcomes without latency: {seconds:.1f} s, store of {size:.0f} MiB")
    seconds = time_call(collect_without_latency, 1_000_000, path).seconds
    print(f"resumed from a store that contains all of them: {seconds:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=4000)
    # For the processes that this script starts.
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--peak-memory", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve)
    elif arguments.peak_memory is not None:
        print_peak_memory(arguments.peak_memory)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for latency in (0.25, 0.05):
                print_throughput(latency, arguments.requests, folder)
            print_memory_and_resumption(folder)

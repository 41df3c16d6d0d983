"""Speed, memory and resumption of collection over HTTP, beside the bare client and a thread pool.

    python benchmarks/collection.py [--requests 4000]

A server in a process of its own answers every request after a fixed latency.
Each request is for one sample of about 100 characters. Needs the extra
``openai``, and requests and aiohttp.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from dars_sklearn import OutcomeCollector
from dars_sklearn.generate import OpenAIBackend, Response
from dars_sklearn.grade import Contains

CONCURRENCY = 64
BODY = {
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x" * 99}}
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 30},
}


def serve(latency):
    """Answer every request after a latency, until killed; print the port."""
    from aiohttp import web

    async def answer(request):
        await request.read()
        await asyncio.sleep(latency)
        return web.json_response(BODY)

    async def models(request):
        return web.json_response({"data": []})

    async def run():
        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        app.router.add_get("/v1/models", models)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        print(site._server.sockets[0].getsockname()[1], flush=True)
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


def timed(function, *arguments):
    """Return the seconds and the processor seconds of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    function(*arguments)
    return time.perf_counter() - wall, time.process_time() - processor


def prompts(n):
    """Distinct prompts."""
    return [f"What is the answer to question number {number}?" for number in range(n)]


def by_collector(base_url, n, folder):
    """What this package does, the store on."""
    backend = OpenAIBackend("m", base_url, concurrency=CONCURRENCY)
    collector = OutcomeCollector(
        {"m": backend}, Contains(), n_samples=1, store=Path(folder) / f"{time.time_ns()}.sqlite"
    )
    outcomes = collector.collect(prompts(n), ["x"] * n)
    assert len(outcomes.score) == n


def by_bare_client(base_url, n, folder):
    """The official asynchronous client and a semaphore, and nothing kept."""
    import openai

    async def run():
        client = openai.AsyncOpenAI(
            base_url=base_url, api_key="none", http_client=openai.DefaultAioHttpClient()
        )
        slots = asyncio.Semaphore(CONCURRENCY)

        async def one(prompt):
            async with slots:
                answer = await client.chat.completions.create(
                    model="m", messages=[{"role": "user", "content": prompt}], max_tokens=512
                )
                return answer.choices[0].message.content

        answers = await asyncio.gather(*map(one, prompts(n)))
        await client.close()
        return answers

    assert len(asyncio.run(run())) == n


def by_thread_pool(base_url, n, folder):
    """A thread pool, a session a thread, and lines of JSON, flushed."""
    local, lock = threading.local(), threading.Lock()

    def one(prompt):
        if not hasattr(local, "session"):
            local.session = requests.Session()
        body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "max_tokens": 512}
        answer = local.session.post(f"{base_url}/chat/completions", json=body).json()
        with lock:
            file.write(json.dumps({"prompt": prompt, "answer": answer["choices"][0]}) + "\n")
            file.flush()

    path = Path(folder) / f"{time.time_ns()}.jsonl"
    with path.open("w") as file, ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(one, prompts(n)))


def resident_after(n_outcomes):
    """Most memory held while so many outcomes are collected, in MiB, in a process of its own."""
    command = [sys.executable, __file__, "--resident", str(n_outcomes)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def instant(texts, *, n):
    """A backend that answers at once."""
    return [[Response(f"{text} {'x' * 400} {i}", 9, 30, 0.1) for i in range(n)] for text in texts]


instant.batch_size = 200


def collect_instantly(n_outcomes, path):
    """Collect outcomes of 25 samples a prompt, from a backend that answers at once."""
    queries = prompts(n_outcomes // 25)
    OutcomeCollector({"m": instant}, Contains(), n_samples=25, store=path).collect(
        queries, ["x"] * len(queries)
    )


def print_resident(n_outcomes):
    """Collect, and print the most memory held."""
    with tempfile.TemporaryDirectory() as folder:
        collect_instantly(n_outcomes, Path(folder) / "store.sqlite")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def speed(latency, n, folder):
    """Print the throughput of all three at one latency."""
    ideal = CONCURRENCY / latency
    print(
        f"{n} requests at {latency * 1000:.0f} ms, concurrency {CONCURRENCY}: ideal {ideal:.0f}/s"
    )
    names = {"bare client": by_bare_client, "collector": by_collector, "threads": by_thread_pool}
    with ServerProcess(latency) as server:
        rates = {}
        for name, function in names.items():
            function(server.base_url, 2 * CONCURRENCY, folder)  # connections, imports
            runs = [timed(function, server.base_url, n, folder) for _ in range(3)]
            wall, processor = min(runs)
            rates[name] = n / wall
            print(
                f"  {name}: {rates[name]:.0f}/s, {rates[name] / ideal:.0%} of the ideal, "
                f"{rates[name] / rates['bare client']:.0%} of the bare client, "
                f"{processor / n * 1000:.2f} ms of processor time a request"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--resident", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve)
    elif arguments.resident is not None:
        print_resident(arguments.resident)
    else:
        with tempfile.TemporaryDirectory() as folder:
            for latency in (0.25, 0.05):
                speed(latency, arguments.requests, folder)
            small, large = resident_after(10_000), resident_after(100_000)
            print(f"most memory held: {small:.0f} MiB at 10,000 outcomes, {large:.0f} at 100,000")
            path = Path(folder) / "million.sqlite"
            seconds, _ = timed(collect_instantly, 1_000_000, path)
            size = os.path.getsize(path) / 2**20
            print(f"1,000,000 outcomes collected at once: {seconds:.1f} s, {size:.0f} MiB")
            seconds, _ = timed(collect_instantly, 1_000_000, path)
            print(f"resumed from a store that has them all: {seconds:.1f} s")

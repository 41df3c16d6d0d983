"""HTTP servers on 127.0.0.1 that speak the OpenAI protocol and can be made to misbehave."""

import asyncio
import json
import socket
import threading
from collections import Counter

from aiohttp import web


class FakeServer:
    """An OpenAI-compatible server in a thread.

    Parameters
    ----------
    behave : callable or None, default=None
        ``behave(number, body)`` returns the reply to a request: None for a valid
        completion, a dict of fields to replace in it, or an ``aiohttp.web.Response``. It may
        be a coroutine function.
    latency : float, default=0.0
        Seconds until the reply to a request.
    usage : {"all", "one"}, default="all"
        Whether the output tokens of all choices are counted, or those of the first.
    """

    def __init__(self, behave=None, latency=0.0, usage="all"):
        self.behave, self.latency, self.usage = behave, latency, usage
        self.requests = []
        self.headers = []
        self.in_flight = self.most_in_flight = 0

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *exception):
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()  # otherwise a ResourceWarning appears in a later test

    async def _open(self):
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_post("/v1/completions", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}/v1"

    async def _models(self, request):
        return web.json_response({"data": []})

    async def _answer(self, request):
        body = await request.json()
        number = len(self.requests)
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency)
            reply = self.behave(number, body) if self.behave else None
            if asyncio.iscoroutine(reply):
                reply = await reply
            if isinstance(reply, web.StreamResponse):
                return reply
            return web.json_response(answer(body, self.usage) | (reply or {}))
        finally:
            self.in_flight -= 1

    @property
    def prompts(self):
        """Number of samples that were requested of each prompt."""
        counts = Counter()
        for body in self.requests:
            counts[prompt_of(body)] += body.get("n", 1)
        return counts


def prompt_of(body):
    """Return the prompt of the body of a request."""
    return body["messages"][-1]["content"] if "messages" in body else body["prompt"]


def answer(body, usage="all"):
    """Return a valid completion, whose choices repeat the prompt with the seed and their index."""
    n, seed = body.get("n", 1), body.get("seed", 0)
    texts = [f"{prompt_of(body)} [{seed}/{index}]" for index in range(n)]
    chat = "messages" in body
    choices = []
    for index, text in enumerate(texts):
        choice = {"index": index, "finish_reason": "stop"}
        tokens = text.split()
        if chat:
            choice["message"] = {"role": "assistant", "content": text}
            if body.get("logprobs"):
                choice["logprobs"] = {"content": [{"token": token} for token in tokens]}
        else:
            choice["text"] = text
            if body.get("logprobs"):
                choice["logprobs"] = {"tokens": tokens}
        choices.append(choice)
    counts = [len(text.split()) for text in texts]
    completion = sum(counts) if usage == "all" else counts[0]
    return {
        "choices": choices,
        "usage": {"prompt_tokens": 7, "completion_tokens": completion},
    }


def raw(text, status=200, **headers):
    """Return an HTTP response with an arbitrary body."""
    body = text if isinstance(text, bytes) else text.encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(body=body, status=status, headers=names)


def refusal(status, message, **headers):
    """Return an error in the format of the protocol."""
    return raw(json.dumps({"error": {"message": message}}), status, **headers)


class RawServer:
    """A TCP server that answers each request with arbitrary bytes, and then hangs up.

    Parameters
    ----------
    reply : bytes or callable
        The bytes; or ``reply(number)``, which returns them or an iterable of them, of which the
        next is not produced before the last was sent.

    Attributes
    ----------
    requests : list of bytes
        The beginning of each request.
    n_sent : int
        Number of bytes sent until now.
    """

    def __init__(self, reply):
        self.reply = reply if callable(reply) else lambda number: reply
        self.requests = []
        self.n_sent = 0

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception):
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            try:
                self.requests.append(connection.recv(2**16))
                parts = self.reply(len(self.requests) - 1)
                for part in [parts] if isinstance(parts, bytes) else parts:
                    connection.sendall(part)
                    self.n_sent += len(part)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(2**16):  # closing with unread data would discard the answer
                    pass
            except OSError:  # the client has hung up
                pass


def http(body=b"", status="200 OK", **headers):
    """Return the bytes of an HTTP response; its headers are neither checked nor completed."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    names = {"Content-Length": len(body), "Connection": "close"} | names
    lines = "".join(f"{name}: {value}\r\n" for name, value in names.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body

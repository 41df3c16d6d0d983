"""The official OpenAI client, with a limit for each response that it reads."""

import sys
import zlib
from contextlib import aclosing
from functools import partial
from urllib.parse import urljoin, urlsplit

__all__ = ["BodyError", "RedirectError", "find_cause", "open_client"]

# A larger body is a fault of the server, since no completion is this long.
MAX_BODY_BYTES = 16 * 2**20
# Of the body of an error, only the message is of interest.
_MAX_ERROR_BYTES = 2**16
_MAX_REDIRECTS = 5


class BodyError(ValueError):
    """The body of a response cannot be read."""


class RedirectError(ValueError):
    """The server redirects to another server."""


def open_client(openai, base_url, credentials):
    """Return a client of a server, which sends a request once and reads bounded responses.

    Parameters
    ----------
    openai : module
        The openai package.
    base_url : str
        Address of the server.
    credentials : Credentials
        The API key and the headers to send.

    Returns
    -------
    openai.AsyncOpenAI
        The client. It may raise a ``BodyError`` or a ``RedirectError`` beside its own errors,
        which all may contain the headers of the request: they must not be shown or kept.
    """
    http_client = openai.DefaultAioHttpClient(max_redirects=_MAX_REDIRECTS)
    # Different versions of the client are built on different versions of httpx.
    async_client = next(cls for cls in type(http_client).__mro__ if cls.__name__ == "AsyncClient")
    httpx = sys.modules[async_client.__module__.partition(".")[0]]
    stream_class = _make_limited_stream(httpx.AsyncByteStream)
    http_client.event_hooks = {
        "response": [_check_redirect, partial(_limit_body, stream_class=stream_class)]
    }
    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=credentials.api_key or "none",
        default_headers={"Accept-Encoding": "identity"} | credentials.headers,
        max_retries=0,  # retries are made by Server, because an invalid body is retried, too
        http_client=http_client,
    )


def find_cause(error, *names):
    """Return the first error that is of a class with one of the names, among an error's causes."""
    while error is not None and not any(cls.__name__ in names for cls in type(error).__mro__):
        error = error.__cause__
    return error


async def _check_redirect(response):
    """Raise if a response redirects to another server, which must not get secret headers."""
    if not response.has_redirect_location:
        return
    here = urlsplit(str(response.url))
    there = urlsplit(urljoin(here.geturl(), response.headers["Location"]))
    is_same_server = (here.scheme, here.netloc) == (there.scheme, there.netloc)
    is_upgrade = (there.scheme, there.netloc) == ("https", here.hostname)
    if not (is_same_server or is_upgrade):
        raise RedirectError(
            f"status {response.status_code}: the server redirects to "
            f"{there.scheme}://{there.netloc}, and requests are not sent to another server; pass "
            "its address as base_url"
        )


async def _limit_body(response, stream_class):
    """Limit the body of a response, before anything reads it."""
    encoding = response.headers.pop("Content-Encoding", "").strip().lower()
    response.stream = stream_class(response.stream, encoding, response.is_success)


def _make_limited_stream(byte_stream):
    """Return the class of the stream of a limited body, for one version of httpx."""

    class LimitedStream(byte_stream):
        """A body that is decompressed and counted while it is read.

        Parameters
        ----------
        stream : httpx.AsyncByteStream
            The body as it is received.
        encoding : str
            How it is compressed.
        is_success : bool
            Whether to raise where the body is too long, instead of cutting it.
        """

        def __init__(self, stream, encoding, is_success):
            self._stream, self._encoding, self._is_success = stream, encoding, is_success

        async def __aiter__(self):
            limit = MAX_BODY_BYTES if self._is_success else _MAX_ERROR_BYTES
            try:
                async with aclosing(_limit_chunks(self._stream, self._encoding, limit)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except BodyError:
                if self._is_success:
                    raise

        async def aclose(self):
            await self._stream.aclose()

    return LimitedStream


async def _limit_chunks(stream, encoding, limit):
    """Yield the decompressed chunks of a body, or raise once it is longer than a limit."""
    if encoding not in ("", "identity", "gzip"):
        raise BodyError(
            f"the response body is compressed by {encoding!r:.60}, although no compression was "
            "requested"
        )
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    n_received = n_read = 0
    async for chunk in stream:
        n_received += len(chunk)
        if inflater is not None:
            chunk = _inflate(inflater, chunk, limit + 1 - n_read)
        yield chunk[: limit - n_read]
        n_read += len(chunk)
        # Compressed data may have no end, and no content either.
        if max(n_received, n_read) > limit:
            raise BodyError(
                f"the response body has more than {limit // 2**20} MiB, and is not read to its end"
            )
        if inflater is not None and inflater.eof:
            return
    if inflater is not None:
        raise BodyError("the response body is compressed, and its end is missing")


def _inflate(inflater, chunk, max_length):
    """Decompress the next part of a body, up to a length."""
    try:
        return inflater.decompress(chunk, max_length)
    except zlib.error:
        raise BodyError("the response body is not gzip, though its header says so") from None

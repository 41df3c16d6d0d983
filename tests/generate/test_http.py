import asyncio
import gzip
import zlib

import pytest

from dars_sklearn.generate import _http
from dars_sklearn.generate._http import BodyError, find_cause


async def stream_of(chunks):
    for chunk in chunks:
        yield chunk


def read(chunks, encoding="", limit=100):
    """Return the chunks of a body until it ends or is too long, and the error that ended it."""

    async def read_all():
        pieces = []
        try:
            async for piece in _http._limit_chunks(stream_of(chunks), encoding, limit):
                pieces.append(piece)
        except BodyError as error:
            return b"".join(pieces), error
        return b"".join(pieces), None

    return asyncio.run(read_all())


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_a_body_is_read_up_to_its_limit(encoding):
    assert read([b"a" * 60, b"b" * 40], encoding) == (b"a" * 60 + b"b" * 40, None)
    body, error = read([b"a" * 60, b"b" * 41], encoding)
    assert body == b"a" * 60 + b"b" * 40
    assert "more than 0 MiB" in str(error)


def test_the_limit_is_that_of_the_decompressed_body():
    packed = gzip.compress(b"a" * 100)
    assert read([packed[:9], packed[9:]], "gzip") == (b"a" * 100, None)
    body, error = read([gzip.compress(b"a" * 101)], "gzip")
    assert body == b"a" * 100
    assert "is not read to its end" in str(error)


def test_what_follows_a_compressed_body_is_not_read():
    assert read([gzip.compress(b"a"), b"b" * 1_000], "gzip") == (b"a", None)


def test_compressed_data_without_content_has_the_same_limit():
    flushed = zlib.compressobj(wbits=31).flush(zlib.Z_SYNC_FLUSH)
    body, error = read([flushed, *[b"\x00\x00\x00\xff\xff"] * 30], "gzip")
    assert body == b""
    assert "more than" in str(error)


@pytest.mark.parametrize(
    ("chunks", "encoding", "message"),
    [
        ([b"abc"], "gzip", "not gzip"),
        ([gzip.compress(b"abc")[:-1]], "gzip", "its end is missing"),
        ([], "gzip", "its end is missing"),
        ([b"abc"], "br", "compressed by 'br'"),
        ([zlib.compress(b"abc")], "deflate", "compressed by 'deflate'"),
        ([gzip.compress(b"abc")], "gzip, gzip", "compressed by 'gzip, gzip'"),
    ],
)
def test_a_body_that_cannot_be_decompressed_is_an_error(chunks, encoding, message):
    _, error = read(chunks, encoding)
    assert message in str(error)


def test_a_cause_is_found_by_the_name_of_its_class():
    error = ValueError()
    error.__cause__ = OSError()
    error.__cause__.__cause__ = TimeoutError()
    assert find_cause(error, "TimeoutError") is error.__cause__.__cause__
    assert find_cause(error, "KeyError", "ValueError") is error
    assert find_cause(error, "KeyError") is None

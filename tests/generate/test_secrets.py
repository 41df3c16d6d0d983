import base64
import copy
import pickle
import re

import pytest

from dars_sklearn.generate._secrets import Credentials, check_address, find_secret

KEY = "sk-verysecret-0123456789"
HEADERS = {"X-Tenant-Key": "tenant-0987654321-zyx", "X-Title": "My application"}
SECRET = Credentials(KEY, HEADERS)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"what is {KEY}?", "what is <API key>?"),
        (f"{KEY}{KEY}", "<API key><API key>"),
        (f"{KEY[:12]}...", "<API key>..."),
        (f"x{KEY[5:13]}y", "x<API key>y"),
        (f"x{KEY[5:12]}y", f"x{KEY[5:12]}y"),
        (KEY.upper(), "<API key>"),
        ("X-Tenant-Key: tenant-0987654321-zyx", "X-Tenant-Key: <secret>"),
        ("none of these", "none of these"),
        ("sk-v****6789", "sk-v****6789"),
        ("a\ud800b", "a\\ud800b"),
        ("", ""),
    ],
)
def test_secrets_and_their_parts_are_hidden(text, hidden):
    assert SECRET.hide(text) == hidden


def test_a_secret_is_hidden_in_base64():
    assert base64.b64encode(KEY.encode()).decode() not in SECRET.hide(
        f"Basic {base64.b64encode(KEY.encode()).decode()}"
    )


def test_nothing_is_hidden_without_secrets_or_for_very_short_ones():
    assert Credentials().hide("none of these") == "none of these"
    assert Credentials("abc").hide("abc is a key") == "abc is a key"
    assert Credentials("EMPTY").hide("EMPTY is not empty") == "EMPTY is not empty"
    assert Credentials("abc123").hide("abc123 is a key") == "<API key> is a key"


def test_only_complete_and_unmistakable_secrets_are_hidden_in_responses():
    text = f"{KEY}, {KEY[:14]}, tenant-0987654321-zyx, My application"
    expected = f"<secret>, {KEY[:14]}, <secret>, My application"
    assert SECRET.hide_in_response(text) == expected
    assert Credentials("short").hide_in_response("short") == "short"


def test_hiding_takes_time_in_proportion_to_the_text():
    text = "http://" + "a" * 100_000 + "?" * 100_000 + " " * 100_000 + "Bearer" + " " * 100_000
    assert SECRET.hide(text) == text


def test_credentials_show_nothing_and_compare_by_what_they_are():
    assert repr(SECRET) == str(SECRET) == "<credentials>"
    assert Credentials(KEY, HEADERS) == SECRET
    assert hash(Credentials(KEY, HEADERS)) == hash(SECRET)
    assert Credentials(KEY) != SECRET
    assert SECRET != KEY


def test_copies_keep_credentials_and_pickles_do_not():
    assert copy.copy(SECRET).api_key == copy.deepcopy(SECRET).api_key == KEY
    loaded = pickle.loads(pickle.dumps(SECRET))
    assert (loaded.api_key, loaded.headers) == (None, {})


def test_the_key_of_the_environment_is_used_where_none_is_set(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "other\n")
    assert SECRET.resolve() is SECRET
    resolved = Credentials(headers=HEADERS).resolve()
    assert (resolved.api_key, resolved.headers) == ("other", HEADERS)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert Credentials().resolve().api_key is None


def test_a_blank_key_is_no_key():
    assert Credentials(" \n").api_key is None


@pytest.mark.parametrize("address", ["http://h:1/v1/", "HTTPS://h/v1", "http://[::1]:8000/v1"])
def test_an_address_is_returned_without_its_final_slash(address):
    assert check_address(address) == address.rstrip("/")


@pytest.mark.parametrize(
    "address", ["http://u:p@host/v1", "http://host/v1?key=x", "http://host/#x"]
)
def test_the_host_of_a_refused_address_is_named(address):
    with pytest.raises(ValueError, match=r"must not contain .* \(host 'host'\); pass a key"):
        check_address(address)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [{"b": {"api-key": "x"}}]}, "it['a'][0]['b']['api-key']"),
        (("a", "Bearer abcdefghijk1"), "it[1]"),
        ({"documents": ["basic understanding", "bearer instruments-of-debt"]}, None),
        ({"sk-0123456789abcdef": 1}, "it"),
        ({"max_tokens": "7", "tokens": "x", "token": False}, None),
        ({"token": 5}, "it['token']"),
        ({"a": {"password": ["x"]}}, "it['a']['password']"),
        (
            {"properties": {"password": {"description": "Bearer abcdefghijk1"}}},
            "it['properties']['password']['description']",
        ),
        (
            {"properties": {"password": {"password": "x"}}},
            "it['properties']['password']['password']",
        ),
        ({1: {"password": "x"}}, "it[1]['password']"),
        (None, None),
    ],
)
def test_the_place_of_a_secret_is_named(value, place):
    assert find_secret(value, "it") == place


def test_the_patterns_are_applied_to_whole_words():
    assert not re.search("<secret>", SECRET.hide("task-specific-0123456789012345 risk-1"))

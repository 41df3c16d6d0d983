from collections import Counter

from dars_sklearn.generate import BackendError
from dars_sklearn.grade._reasons import format_reason, list_reasons


def test_a_reason_names_the_type_and_message_of_an_exception():
    assert format_reason(RuntimeError("out of order")) == "RuntimeError: out of order"


def test_the_type_of_a_backend_error_is_left_out():
    assert format_reason(BackendError("status 404")) == "status 404"


def test_long_reasons_are_cut():
    assert format_reason(BackendError("x" * 1000)) == "x" * 300


def test_lone_surrogates_of_a_reason_are_escaped():
    assert format_reason(RuntimeError("bad \udc80 byte")) == r"RuntimeError: bad \udc80 byte"


def test_a_message_that_cannot_be_read_is_a_reason_too():
    class Unreadable(Exception):
        def __str__(self):
            raise ZeroDivisionError

    reason = "Unreadable: its message cannot be read (ZeroDivisionError)"
    assert format_reason(Unreadable()) == reason


def test_reasons_are_listed_with_their_counts():
    assert list_reasons(Counter(a=1, b=2)) == "b (2 times); a (1 time)"


def test_only_the_most_common_reasons_are_listed():
    assert list_reasons(Counter(a=4, b=3, c=2)) == "a (4 times); b (3 times); c (2 times)"
    assert list_reasons(Counter(a=4, b=3, c=2, d=1)).endswith("c (2 times); …")
    assert list_reasons(Counter(a=2, b=1), limit=1) == "a (2 times); …"

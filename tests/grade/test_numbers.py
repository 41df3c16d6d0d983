import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dars_sklearn.grade._numbers import (
    NUMERAL,
    Numeral,
    canonical_number,
    find_numbers,
    parse_numeral,
    to_ascii_digits,
    write_out_powers,
)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3 + 4 = 7", [3, 4, 7]),
        ("$1,250.50 and −12", [1250.5, -12]),
        ("2e3 or .25", [2000, 0.25]),
        ("x2 and 3rd", []),
        ("no number", []),
        ("0,5 or 1234,567", [0.5, 1234.567]),
        ("1,234 or 0,123", [1234, 0.123]),
        ("1.234,5 or 1.234.567", [1234.5, 1234567]),
        ("1,00,000 or 1,23,456.7", [100000, 123456.7]),
        ("1'234.5 or 1_000 or 1\u202f234", [1234.5, 1000, 1234]),
        ("1,2,3 or 1,234,5", [1, 2, 3, 1, 234, 5]),
        ("(3,4) or [0,5] or (0,5 %)", [3, 4, 0, 5, 0.5]),
        ("version 1.10.0 of 01.02.2020", []),
        ("1/2 or -3/4", [0.5, -0.75]),
        ("1/2/2020 or 1/0 or 1/2.5", [1, 2, 2020, 1, 0, 1, 2.5]),
        ("-$5 or $-5 or $5", [-5, -5, 5]),
        ("5-3 or x-3", [5, 3, 3]),
        ("\u20113 or \uff0d3", [-3, -3]),
        ("٣ or ５,５", [3, 5.5]),
        (r"1.5 × 10^3, 2 \times 10^{-3}, 2*10**5", [1500, 0.002, 200000]),
        ("-1,2,3e2", [-1, 2, 300]),
        ("1e999 and 1e-999", [math.inf, 0]),
        ("1e9999999999", []),
    ],
)
def test_numbers_are_found_in_order(text, numbers):
    assert find_numbers(text) == numbers


@pytest.mark.parametrize(
    ("numeral", "canonical"),
    [
        (Numeral("", "007", "", 0), "7"),
        (Numeral("-", "0", "00", 0), "0"),
        (Numeral("-", "0", "", 0), "0"),
        (Numeral("-", "1", "50", 0), "-1.5"),
        (Numeral("", "1", "5", 3), "1500"),
        (Numeral("", "1500", "", -4), "0.15"),
        (Numeral("", "15", "", -1), "1.5"),
        (Numeral("", "", "5", 0), "0.5"),
        (Numeral("", "1", "", 400), "1" + "0" * 400),
        (Numeral("", "1", "", 402), "1e402"),
        (Numeral("-", "10", "", 998), "-1e999"),
        (Numeral("", "1", "", -402), "1e-402"),
    ],
)
def test_numerals_of_the_same_value_have_one_canonical_form(numeral, canonical):
    assert numeral.canonical == canonical


@given(st.integers(0, 10**6), st.integers(-420, 420), st.integers(0, 3), st.integers(0, 3))
def test_canonical_forms_are_equal_if_and_only_if_values_are(digits, power, zeros, shift):
    plain = Numeral("", str(digits), "", power)
    padded = Numeral("", "0" * zeros + str(digits) + "0" * shift, "", power - shift)
    other = Numeral("", str(digits + 1), "", power)
    assert plain.canonical == padded.canonical != other.canonical


def test_a_list_of_numerals_is_split():
    match = re.fullmatch(NUMERAL, "-1,2,3")
    assert [numeral.canonical for numeral in parse_numeral(match)] == ["-1", "2", "3"]


def test_digits_and_minus_signs_of_all_scripts_become_ascii():
    assert to_ascii_digits("−٣ 𝟛 – x² é") == "-3 3 - x² é"
    assert to_ascii_digits("plain 3") == "plain 3"


def test_exponents_are_written_out_where_that_is_short():
    assert write_out_powers("x = 1.5e3, 2E-2, 1e999, 0x1e5, 1e5m") == (
        "x = 1500, 0.02, 1e999, 0x1e5, 1e5m"
    )


@pytest.mark.parametrize(
    ("text", "canonical"),
    [(" 0,50 ", "0.5"), ("−٣", "-3"), ("1e3", "1000"), ("$5", "$5"), ("1,2,3", "1,2,3"),
     ("1.10.0", "1.10.0"), ("x + 1", "x + 1"), ("", "")],
)  # fmt: skip
def test_a_text_that_is_one_number_has_a_canonical_form(text, canonical):
    assert canonical_number(text) == canonical

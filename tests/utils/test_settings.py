import json
import math

import numpy as np
import pytest

from dars_sklearn.utils._settings import settings_to_json, text_to_json


def test_settings_are_json_sorted_by_key():
    settings = {"b": [1, 2.5, "é"], "a": {"stop": ("x",), "chat": True, "seed": None}}
    text = settings_to_json(settings, "the backend")
    assert text == '{"a": {"chat": true, "seed": null, "stop": ["x"]}, "b": [1, 2.5, "\\u00e9"]}'


def test_lone_surrogates_are_escaped():
    assert json.loads(settings_to_json({"a": "\udc80"}, "x")) == {"a": "\udc80"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a", "b"}, r"settings\['stop'\] is of type 'set'"),
        ([1, {"x": object()}], r"settings\['stop'\]\[1\]\['x'\] is of type 'object'"),
        (np.int64(1), r"settings\['stop'\] is of type 'int64'"),
        (math.nan, r"settings\['stop'\] is nan"),
        (-math.inf, r"settings\['stop'\] is -inf"),
        ({1: "a"}, r"settings\['stop'\] has the key 1, which is not a str"),
        (b"x", r"settings\['stop'\] is of type 'bytes'"),
    ],
)
def test_the_first_value_that_is_not_json_is_named(value, message):
    with pytest.raises(TypeError, match="the settings of model 'm' are not JSON: " + message):
        settings_to_json({"ok": 1, "stop": value}, "model 'm'")


def test_settings_that_contain_themselves_are_refused():
    settings = {}
    settings["self"] = settings
    with pytest.raises(TypeError, match="nested too deeply, or contain themselves"):
        settings_to_json(settings, "model 'm'")


@pytest.mark.parametrize("settings", [None, [1], "text", lambda: {}])
def test_settings_must_be_a_dict(settings):
    with pytest.raises(TypeError, match="the settings of model 'm' must be a dict, got"):
        settings_to_json(settings, "model 'm'")


def test_whole_numbers_are_one_text_however_they_are_written():
    settings = {"a": [1.0, -0.0, 2.5], "b": {"c": (1e300,)}, "d": True}
    text = settings_to_json(settings, "x")
    assert text == f'{{"a": [1, 0, 2.5], "b": {{"c": [{int(1e300)}]}}, "d": true}}'
    assert settings_to_json({"d": 1}, "x") != settings_to_json({"d": True}, "x")


def test_settings_that_were_written_as_json_are_read():
    assert text_to_json('{"b": 1.0, "a": true}') == '{"a": true, "b": 1}'
    assert text_to_json("no JSON") is text_to_json("[" * 100_000) is None

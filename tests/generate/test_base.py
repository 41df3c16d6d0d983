import math

import numpy as np
import pytest

from dars_sklearn.generate._base import Choice, ModelBackend

DEFAULTS = {
    "template": "{prompt}", "chat": True, "system_prompt": None, "temperature": 0.7, "top_p": 0.95,
    "max_tokens": 10, "stop": (), "seed": 3, "input_price": math.nan, "output_price": math.nan,
}  # fmt: skip


class RecordingBackend(ModelBackend):
    """Return what it was called with."""

    def __init__(self, model="m", **settings):
        super().__init__(model, **(DEFAULTS | settings))

    def _sample_prompts(self, prompts, n, seeds):
        return prompts, n, seeds


class OneByOneBackend(RecordingBackend):
    """Each sample is a request of its own."""

    def _samples_share_prompt(self):
        return False


def priced(choices, input_tokens, **options):
    backend = RecordingBackend(input_price=1e6, output_price=1e5)
    return backend._price_request(choices, input_tokens, **options)


def test_requests_use_the_seed_of_the_backend_unless_they_pass_their_own():
    backend = RecordingBackend()
    assert backend(["a", "b"], n=2) == (["a", "b"], 2, [3, 3])
    assert backend(["a", "b"], n=2, seeds=[7, 8]) == (["a", "b"], 2, [7, 8])


def test_the_template_wraps_the_prompt():
    backend = RecordingBackend(template="{{json}} Q: {prompt}")
    assert backend.render("{x}?") == "{json} Q: {x}?"
    assert backend.messages("{x}?") == [{"role": "user", "content": "{json} Q: {x}?"}]


def test_the_system_prompt_is_the_first_message():
    assert RecordingBackend(system_prompt="Be brief.").messages("Hi") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
    ]


def test_the_price_is_per_million_tokens():
    backend = RecordingBackend(input_price=2.0, output_price=3.0)
    assert backend.price(500_000, 1_000_000) == 4.0
    assert backend.price(0, 0) == 0.0


@pytest.mark.parametrize(("input_tokens", "output_tokens"), [(None, 1), (1, None), (None, None)])
def test_the_price_of_an_unknown_number_of_tokens_is_unknown(input_tokens, output_tokens):
    backend = RecordingBackend(input_price=2.0, output_price=3.0)
    assert math.isnan(backend.price(input_tokens, output_tokens))


def test_without_prices_the_price_is_unknown():
    assert math.isnan(RecordingBackend(output_price=1.0).price(1, 1))
    assert math.isnan(RecordingBackend(input_price=1.0).price(1, 1))


def test_the_first_sample_of_a_request_pays_the_prompt_for_all():
    responses = priced([Choice("a", "stop", 2), Choice("bb", "length", 4)], 10, latency=0.5)
    assert [response.text for response in responses] == ["a", "bb"]
    assert [response.finish_reason for response in responses] == ["stop", "length"]
    assert [response.input_tokens for response in responses] == [10, 10]
    assert [response.output_tokens for response in responses] == [2, 4]
    assert [response.cost for response in responses] == pytest.approx([10.2, 10.4])
    assert [response.spent for response in responses] == pytest.approx([10.2, 0.4])
    assert [response.latency for response in responses] == [0.5, 0.5]


def test_a_request_with_an_unknown_number_of_input_tokens_has_unknown_costs():
    for response in priced([Choice("a", None, 2), Choice("b", None, 2)], None):
        assert response.input_tokens is None
        assert math.isnan(response.cost)
        assert math.isnan(response.spent)
        assert math.isnan(response.latency)


def test_a_choice_with_an_unknown_number_of_tokens_leaves_the_costs_of_the_others_known():
    first, second = priced([Choice("a", None, None), Choice("b", None, 2)], 10)
    assert math.isnan(first.cost)
    assert math.isnan(first.spent)
    assert (second.cost, second.spent) == pytest.approx((10.2, 0.2))


def test_the_highest_price_counts_a_token_per_byte_and_all_tokens_of_the_responses():
    backend = RecordingBackend(input_price=1e6, output_price=1e3, max_tokens=100)
    # 5 bytes in UTF-8, and 1024 tokens for the chat template.
    assert backend.highest_price("Perú", n=3) == pytest.approx(5 + 1024 + 0.3)
    with_system = RecordingBackend(input_price=1e6, output_price=0, system_prompt="Short.")
    assert with_system.highest_price("Perú", n=3) == pytest.approx(5 + 6 + 1024)
    completion = RecordingBackend(input_price=1e6, output_price=0, chat=False, template="Q{prompt}")
    assert completion.highest_price("Perú", n=3) == pytest.approx(1 + 5 + 16)


def test_the_highest_price_counts_the_prompt_for_each_sample_that_is_a_request_of_its_own():
    backend = OneByOneBackend(input_price=1e6, output_price=1e3, max_tokens=100)
    assert backend.highest_price("red", n=3) == pytest.approx(3 * (3 + 1024) + 0.3)


class MeasuredBackend(RecordingBackend):
    """The chat template is known to add 30 tokens, and an attempt may be billed twice."""

    def _measure_template(self):
        return 30

    def _max_attempts_billed(self):
        return 2


def test_the_highest_price_counts_a_measured_template_and_repeated_attempts():
    backend = MeasuredBackend(input_price=1e6, output_price=1e3, max_tokens=100)
    assert backend.highest_price("red", n=3) == pytest.approx(2 * (3 + 30 + 0.3))


def test_the_highest_price_of_a_prompt_that_is_not_valid_unicode_is_bounded():
    backend = RecordingBackend(input_price=1e6, output_price=0, chat=False)
    assert backend.highest_price("a\ud800", n=1) == pytest.approx(1 + 3 + 16)


def test_the_estimate_counts_a_token_for_four_bytes_and_the_template():
    assert RecordingBackend().estimate_input_tokens("x" * 8) == 2 + 16
    assert RecordingBackend(system_prompt="Be brief").estimate_input_tokens("x" * 8) == 4 + 32
    assert RecordingBackend(chat=False).estimate_input_tokens("x" * 8) == 2
    assert MeasuredBackend().estimate_input_tokens("x" * 8) == 2 + 30


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "other"}, {"template": "Q: {prompt}"}, {"chat": False}, {"system_prompt": "x"},
        {"temperature": 0.1}, {"top_p": 0.5}, {"max_tokens": 11}, {"stop": "\n"},
    ],
    ids=lambda changed: next(iter(changed)),
)  # fmt: skip
def test_settings_that_determine_responses_differ_between_backends(changed):
    assert RecordingBackend(**changed).settings != RecordingBackend().settings


def test_seed_and_prices_are_not_among_the_settings():
    other = RecordingBackend(seed=9, input_price=1.0, output_price=1.0)
    assert other.settings == RecordingBackend().settings


def test_the_class_of_the_backend_is_among_the_settings():
    assert RecordingBackend().settings["backend"] == "RecordingBackend"
    assert OneByOneBackend().settings != RecordingBackend().settings


def test_one_stop_string_is_not_split_into_characters():
    assert RecordingBackend(stop="END").settings["stop"] == ["END"]
    assert RecordingBackend(stop=["\n", "END"]).settings["stop"] == ["\n", "END"]


def test_the_repr_shortens_a_long_template():
    shown = repr(RecordingBackend(template="{prompt}" + "x" * 200, chat=False))
    assert shown.startswith("RecordingBackend('m', completion, template='{prompt}xxx")
    assert shown.endswith(", temperature=0.7)")
    assert len(shown) < 150


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"stop": {"a", "b"}}, "stop must be a str or a list of str"),
        ({"stop": ["a", 1]}, r"stop must be .* got \['a', 1\]"),
        ({"stop": iter("ab")}, "stop must be"),
        ({"model": object()}, r"settings\['model'\] is of type 'object'"),
        ({"max_tokens": np.int64(5)}, r"settings\['max_tokens'\] is of type 'int64'"),
        ({"system_prompt": b"x"}, r"settings\['system_prompt'\] is of type 'bytes'"),
    ],
)
def test_a_setting_that_is_not_json_is_named(parameters, message):
    with pytest.raises(TypeError, match=message):
        RecordingBackend(**parameters)


def test_a_seed_may_be_any_integer():
    assert type(RecordingBackend(seed=np.int64(5)).seed) is int
    with pytest.raises(TypeError, match=r"seed must be an int or None, got 1\.5"):
        RecordingBackend(seed=1.5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"template": "no field"}, "template must contain '{prompt}' exactly once.*'no field'"),
        ({"template": "{prompt} {prompt}"}, "template must contain"),
        ({"template": "{prompt} {other}"}, "template must contain"),
        ({"template": "{}"}, "template must contain"),
        ({"temperature": -0.1}, "temperature must be a finite number of at least 0, got -0.1"),
        ({"temperature": math.nan}, "temperature must be a finite number .* got nan"),
        ({"temperature": math.inf}, "temperature must be a finite number .* got inf"),
        ({"temperature": True}, "temperature must be a finite number .* got True"),
        ({"temperature": "0.7"}, "temperature must be a finite number .* got '0.7'"),
        ({"top_p": -1}, "top_p must be a finite number of at least 0"),
        ({"max_tokens": 0}, "max_tokens must be an int of at least 1, got 0"),
        ({"max_tokens": 1.5}, "max_tokens must be an int of at least 1, got 1.5"),
        ({"max_tokens": True}, "max_tokens must be an int of at least 1, got True"),
        ({"input_price": -1}, "input_price must be a finite number of at least 0, .* got -1"),
        ({"input_price": math.inf}, "input_price must be a finite number .* got inf"),
        ({"input_price": "1"}, "input_price must be a finite number .* got '1'"),
        ({"input_price": None}, "input_price must be .* or nan if it is not known, got None"),
        ({"output_price": -1}, "output_price must be a finite number"),
        ({"chat": False, "system_prompt": "x"}, "system_prompt='x' requires chat=True"),
    ],
)
def test_an_invalid_parameter_is_named_with_its_value(parameters, message):
    with pytest.raises(ValueError, match=message):
        RecordingBackend(**parameters)


def test_parameters_at_their_limits_are_accepted():
    backend = RecordingBackend(
        temperature=0, top_p=0, max_tokens=1, input_price=0, output_price=0, system_prompt=""
    )
    assert (backend.temperature, backend.top_p, backend.max_tokens) == (0, 0, 1)
    without_sampling = RecordingBackend(temperature=None, top_p=None)
    assert without_sampling.temperature is None
    assert without_sampling.top_p is None

import json
import sys

import numpy as np
import pytest

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.interop import from_inspect

TASK = """
import json
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import includes, match

@task
def questions():
    samples = [Sample(id=f"q{i}", input=q, target=a, metadata={"topic": f"t{i // 2}"})
               for i, (q, a) in enumerate(json.load(open("questions.json")).items())]
    config = GenerateConfig(max_tokens=12, temperature=0.7)
    return Task(dataset=samples, scorer=[includes(), match()], epochs=3, config=config)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, questions, run_with_real_model):
    """Return the folder of the log of a real evaluation."""
    folder = tmp_path_factory.mktemp("inspect")
    (folder / "questions.json").write_text(json.dumps(questions))
    (folder / "inspect_task.py").write_text(TASK)
    run_with_real_model(
        folder, "inspect_ai", "eval", "inspect_task.py", "--model", "openai-api/local/smol",
        "--log-dir", "logs", "--display", "none",
    )  # fmt: skip
    return folder / "logs"


def make_sample(sample_id, query, scores, epoch=1, **fields):
    from inspect_ai.log import EvalSample
    from inspect_ai.scorer import Score

    scores = scores and {name: Score(value=value) for name, value in scores.items()}
    return EvalSample(
        id=sample_id, epoch=epoch, input=query, target="x", scores=scores,
        working_time=fields.pop("working_time", 1.5), **fields,
    )  # fmt: skip


def make_log(samples, model="small", eval_id="first", task="questions"):
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSpec

    spec = EvalSpec(
        created="2026-01-01T00:00:00+00:00", task=task, dataset=EvalDataset(),
        model=model, config=EvalConfig(), eval_id=eval_id,
    )  # fmt: skip
    return EvalLog(eval=spec, samples=samples, location=f"{eval_id}.eval")


def usage(**tokens):
    from inspect_ai.model import ModelUsage

    return ModelUsage(**tokens)


def test_each_epoch_of_each_log_is_an_outcome():
    logs = [
        make_log(
            [
                make_sample("a", "red?", {"match": "C"}, working_time=2.0),
                make_sample("a", "red?", {"match": "I"}, epoch=2),
                make_sample("b", "blue?", {"match": 0.25}),
            ]
        ),
        make_log([make_sample("b", "blue?", {"match": "C"})], model="large", eval_id="second"),
    ]
    outcomes = from_inspect(logs)
    assert outcomes.queries.tolist() == ["red?", "blue?"]
    assert outcomes.models.tolist() == ["small", "large"]
    assert outcomes.counts().tolist() == [[2, 0], [1, 1]]
    assert outcomes.score.tolist() == [1.0, 0.0, 0.25, 1.0]
    assert outcomes.to_array("latency")[0, 0, 0].tolist() == [2.0, 1.5]
    assert outcomes.cost is None


def test_token_counts_and_costs_are_those_of_the_evaluated_model():
    priced = {
        "small": usage(input_tokens=7, output_tokens=3, total_cost=0.5),
        "judge": usage(input_tokens=70, output_tokens=30, total_cost=5.0),
    }
    outcomes = from_inspect(
        make_log(
            [
                make_sample("a", "red?", {"match": "C"}, model_usage=priced),
                make_sample("b", "blue?", {"match": "C"}, model_usage={}),
            ]
        )
    )
    np.testing.assert_array_equal(outcomes.cost, [0.5, np.nan])
    np.testing.assert_array_equal(outcomes.to_array("input_tokens").ravel(), [7, np.nan])
    np.testing.assert_array_equal(outcomes.to_array("output_tokens").ravel(), [3, np.nan])


def test_samples_without_a_score_are_missing_and_counted_by_model():
    logs = [
        make_log([make_sample("a", "red?", None), make_sample("b", "blue?", {"match": "C"})]),
        make_log(None, model="large", eval_id="second"),
        make_log([make_sample("a", "red?", {})] * 2, model="third", eval_id="third"),
    ]
    with pytest.warns(CollectionWarning) as caught:
        outcomes = from_inspect(logs)
    assert [str(warning.message) for warning in caught] == [
        "1 samples of model 'small' have no score, and their outcomes are missing",
        "2 samples of model 'third' have no score, and their outcomes are missing",
    ]
    assert caught[0].filename == __file__
    assert outcomes.queries.tolist() == ["blue?"]


def test_a_chat_is_identified_by_its_user_messages():
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    chat = [
        ChatMessageSystem(content="Be brief."),
        ChatMessageUser(content="red?"),
        ChatMessageAssistant(content="Yes."),
        ChatMessageUser(content="blue?"),
    ]
    outcomes = from_inspect(make_log([make_sample("a", chat, {"match": "C"})]))
    assert outcomes.queries.tolist() == ["red?\nblue?"]


def test_a_query_may_be_identified_by_its_id_or_by_its_metadata():
    log = make_log(
        [
            make_sample("a", "red?", {"match": "C"}, metadata={"topic": "t"}),
            make_sample(2, "crimson?", {"match": "I"}, metadata={"topic": "t"}),
        ]
    )
    by_id = from_inspect(log, query="id")
    assert by_id.queries.tolist() == ["a", "2"]
    assert by_id.texts.tolist() == ["red?", "crimson?"]
    assert from_inspect(log).texts is None  # the labels are the texts
    by_topic = from_inspect(log, query="topic")
    assert by_topic.queries.tolist() == ["t"]
    assert by_topic.to_array().shape == (1, 1, 2, 1)  # two paraphrases
    with pytest.raises(
        ValueError, match=r"sample 'a' has no 'kind', only \['topic'\]; pass query="
    ):
        from_inspect(log, query="kind")
    without_metadata = make_log([make_sample("a", "red?", {"match": "C"})])
    with pytest.raises(ValueError, match=r"sample 'a' has no 'kind', only \[\]"):
        from_inspect(without_metadata, query="kind")


def test_a_scorer_must_be_chosen_where_there_are_several():
    log = make_log([make_sample("a", "red?", {"match": "C", "includes": "I"})])
    assert from_inspect(log, scorer="includes").score.tolist() == [0.0]
    with pytest.raises(ValueError, match=r"2 scorers; pass scorer= one of \['includes', 'match'\]"):
        from_inspect(log)
    with pytest.raises(ValueError, match=r"no scorer 'exact'; pass scorer= one of"):
        from_inspect(log, scorer="exact")


def test_the_only_scorer_is_that_of_all_logs():
    first = make_log([make_sample("a", "red?", {"exact": 1.0})])
    second = make_log([make_sample("a", "red?", {"graded": 0.5})], "large", "second")
    with pytest.raises(ValueError, match=r"2 scorers; .*'exact' in 'first\.eval', 'graded' in 's"):
        from_inspect([first, second])
    with pytest.raises(
        ValueError, match=r"'second\.eval' has no scorer 'exact', only \['graded'\]"
    ):
        from_inspect([first, second], scorer="exact")


def test_a_sample_without_the_scorer_of_its_log_is_missing():
    samples = [make_sample("a", "red?", {"exact": 1.0}), make_sample("b", "blue?", {"graded": 1.0})]
    with pytest.warns(CollectionWarning, match="1 samples of model 'small' have no score"):
        outcomes = from_inspect(make_log(samples), scorer="exact")
    assert outcomes.queries.tolist() == ["red?"]


@pytest.mark.parametrize(
    ("value", "score"),
    [("C", 1), ("P", 0.5), ("I", 0), ("N", 0), ("Yes", 1), ("FALSE", 0), ("0.7", 0.7), (True, 1)],
)
def test_scores_are_read_like_inspect_reads_them(value, score):
    from inspect_ai.scorer import value_to_float

    outcomes = from_inspect(make_log([make_sample("a", "red?", {"match": value})]))
    assert outcomes.score.tolist() == [score] == [value_to_float()(value)]


def test_a_score_that_was_left_out_is_missing():
    samples = [make_sample(i, f"Q{i}", {"match": value}) for i, value in enumerate([np.nan, 1.0])]
    with pytest.warns(CollectionWarning, match="1 samples of model 'small' have no score"):
        assert from_inspect(make_log(samples)).queries.tolist() == ["Q1"]


@pytest.mark.parametrize("value", [[1.0, 0.0], {"precision": 1.0}])
def test_a_score_that_is_not_a_single_number_is_an_error(value):
    log = make_log([make_sample("a", "red?", {"match": value})])
    with pytest.raises(ValueError, match="sample 'a' by scorer 'match' is not a single number"):
        from_inspect(log)


def test_a_log_that_is_passed_twice_is_an_error():
    log = make_log([make_sample("a", "red?", {"match": "C"})])
    with pytest.raises(ValueError, match=r"'first\.eval' \(eval_id first\) is passed more than"):
        from_inspect((log, log))
    copy = log.model_copy(update={"location": "copy.eval"})
    with pytest.raises(ValueError, match=r"'copy\.eval' .*: 'first\.eval' is the same"):
        from_inspect([log, copy])


def test_logs_without_scored_samples_are_an_error():
    with pytest.raises(ValueError, match="no scored samples"):
        from_inspect([make_log([])])


def test_files_and_folders_are_read(tmp_path):
    from inspect_ai.log import write_eval_log

    log = make_log([make_sample("a", "red?", {"match": "C"})])
    file = tmp_path / "2026-01-01T00-00-00-00-00_questions_abcdefghijklmnopqrstuv.eval"
    write_eval_log(log, str(file))
    for logs in (file, str(file), tmp_path, [tmp_path]):
        assert from_inspect(logs).score.tolist() == [1.0]
    with pytest.raises(ValueError, match="is passed more than once"):
        from_inspect([file, tmp_path])


def test_a_missing_inspect_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("inspect_ai")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "inspect_ai", None)
    with pytest.raises(ImportError, match=r"from_inspect needs inspect_ai, .*sklearn\[inspect\]'"):
        from_inspect("logs/")


@pytest.mark.real
def test_epochs_of_a_real_log_are_samples(folder, questions):
    outcomes = from_inspect(folder, scorer="includes")
    assert outcomes.queries.tolist() == list(questions)
    assert outcomes.models.tolist() == ["openai-api/local/smol"]
    assert outcomes.to_array().shape == (3, 1, 1, 3)
    assert (outcomes.to_array("input_tokens") > 0).all()
    assert (outcomes.to_array("latency") > 0).all()
    priced = outcomes.with_prices({"openai-api/local/smol": (1.0, 2.0)})
    tokens = outcomes.to_array("input_tokens") + 2 * outcomes.to_array("output_tokens")
    assert priced.to_array("cost") == pytest.approx(tokens / 1e6)
    by_id = from_inspect(folder, scorer="match", query="id")
    assert by_id.queries.tolist() == ["q0", "q1", "q2"]


@pytest.mark.real
def test_scores_of_a_real_log_are_those_of_inspect(folder):
    from inspect_ai.log import list_eval_logs, read_eval_log

    log = read_eval_log(list_eval_logs(str(folder))[0])
    expected = {
        (sample.input, sample.epoch - 1): float(sample.scores["includes"].value == "C")
        for sample in log.samples
    }
    frame = from_inspect(log, scorer="includes").to_frame()
    keys = zip(frame["query"], frame["sample"], strict=True)
    assert dict(zip(keys, frame["score"], strict=True)) == expected


@pytest.mark.real
def test_samples_of_a_real_log_that_share_a_topic_are_paraphrases(folder):
    outcomes = from_inspect([folder], scorer="includes", query="topic")
    assert outcomes.queries.tolist() == ["t0", "t1"]
    assert outcomes.counts().tolist() == [[6], [3]]
    assert outcomes.to_array().shape == (2, 1, 2, 3)

"""Outcomes from the logs of other tools."""

import json
import os
from collections import Counter
from pathlib import Path
from warnings import warn

import pandas as pd

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.outcomes import Outcomes

__all__ = ["from_inspect", "from_lm_eval"]


def from_inspect(logs, *, query="input", scorer=None):
    """Read the evaluation logs of Inspect; its epochs are our samples.

    Parameters
    ----------
    logs : str, path-like, EvalLog, or list of them
        Log files, folders of them, or logs that were read already.
    query : str, default="input"
        What tells queries apart, and names them: "input", the text of the
        sample; "id"; or a key of its metadata, for which samples with another
        ``id`` are paraphrases of one query.
    scorer : str or None, default=None
        Whose scores to take; None takes the only one there is.

    Returns
    -------
    Outcomes
        One model for each ``model`` of the logs, with ``input_tokens``,
        ``output_tokens``, ``latency`` (Inspect's working time) and, where
        Inspect knows prices, costs; see :meth:`Outcomes.with_prices`.

    Raises
    ------
    ImportError
        If inspect-ai is not installed.
    ValueError
        If there are no samples, a log is given twice, there are several
        scorers and none is named, or a score is no number.

    Warns
    -----
    CollectionWarning
        If samples have no score; their outcomes are missing.

    References
    ----------
    UK AI Security Institute, Inspect, https://inspect.aisi.org.uk.

    Examples
    --------
    >>> from dars_sklearn.interop import from_inspect
    >>> outcomes = from_inspect("logs/", scorer="includes")  # doctest: +SKIP
    """
    rows, unscored, seen = [], Counter(), set()
    for log in _inspect_logs(logs):
        if log.eval.eval_id in seen:
            raise ValueError(
                f"the log {log.location!r} (eval_id {log.eval.eval_id}) is given twice"
            )
        seen.add(log.eval.eval_id)
        for sample in log.samples or []:
            if not sample.scores:
                unscored[log.eval.model] += 1
            else:
                rows.append(_inspect_row(log.eval.model, sample, query, scorer))
    for model, count in unscored.items():
        _warn(
            f"{count} samples of model {model!r} failed and have no score, and their outcomes are "
            "missing"
        )
    return _outcomes(rows)


def _inspect_logs(logs):
    try:
        from inspect_ai.log import EvalLog, list_eval_logs, read_eval_log
    except ImportError as error:
        raise ImportError("from_inspect needs Inspect: pip install inspect-ai") from error
    for log in logs if isinstance(logs, (list, tuple)) else [logs]:
        if isinstance(log, EvalLog):
            yield log
        elif os.path.isdir(log):
            yield from (read_eval_log(info) for info in list_eval_logs(os.fspath(log)))
        else:
            yield read_eval_log(os.fspath(log))


def _inspect_row(model, sample, query, scorer):
    usage = (sample.model_usage or {}).get(model)
    return {
        "query": _inspect_query(sample, query),
        "model": model,
        "paraphrase": str(sample.id),
        "score": _inspect_score(sample, scorer),
        "cost": getattr(usage, "total_cost", None),
        "input_tokens": getattr(usage, "input_tokens", None),
        "output_tokens": getattr(usage, "output_tokens", None),
        "latency": sample.working_time,
    }


def _inspect_query(sample, query):
    if query == "id":
        return str(sample.id)
    if query != "input":
        if query not in (sample.metadata or {}):
            raise ValueError(
                f"sample {sample.id!r} has no {query!r} in its metadata, which has "
                f"{sorted(sample.metadata or {})}"
            )
        return sample.metadata[query]
    if isinstance(sample.input, str):
        return sample.input
    return "\n".join(message.text for message in sample.input if message.role == "user")


def _inspect_score(sample, scorer):
    from inspect_ai.scorer import value_to_float

    name = _the_only(sample.scores, scorer, "scorer")
    value = sample.scores[name].value
    if isinstance(value, (list, dict)):
        raise ValueError(
            f"the score of sample {sample.id!r} by {name!r} is no single number: {value!r:.100}"
        )
    return value_to_float()(value)


def from_lm_eval(paths, *, query="prompt", metric=None, filter=None, grader=None):
    """Read the sample logs of the LM Evaluation Harness (``--log_samples``).

    The harness scores one response of a document, whatever its ``repeats``
    are: what is left of them by its filter. With a ``grader``, each response is
    graded, and the repeats are our samples.

    Parameters
    ----------
    paths : str, path-like, or list of them
        ``samples_*.jsonl`` files, or folders that are searched for them.
    query : str, default="prompt"
        What names a query: "prompt", all that the model was sent; "doc_id"; or
        a field of ``doc``, such as "question".
    metric : str or None, default=None
        Which of the harness' ``metrics`` is the score; None takes the only one.
    filter : str or None, default=None
        Which ``filter`` to take; None takes the only one.
    grader : callable or None, default=None
        Grades every one of ``resps`` by the document's ``target``.

    Returns
    -------
    Outcomes
        One model for each ``model_name`` of the results beside the samples, or
        for each folder where there are none. Runs of one model are samples.

    Raises
    ------
    ValueError
        If there are no samples, or several metrics or filters and none is
        named.

    Warns
    -----
    CollectionWarning
        If the harness repeated documents and no grader is given, or all
        repeats are alike: with a fixed seed, servers give one answer again
        and again (``--model_args seed=``).

    References
    ----------
    EleutherAI, LM Evaluation Harness,
    https://github.com/EleutherAI/lm-evaluation-harness.

    Examples
    --------
    >>> from dars_sklearn.interop import from_lm_eval
    >>> outcomes = from_lm_eval("results/", query="question")  # doctest: +SKIP
    """
    rows, repeated, alike = [], 0, 0
    for file in _sample_files(paths):
        model = _model_name(file)
        records = [json.loads(line) for line in file.read_text("utf-8").splitlines() if line]
        wanted = _the_only({record.get("filter", "none") for record in records}, filter, "filter")
        for record in records:
            if record.get("filter", "none") != wanted:
                continue
            responses = _repeats(record)
            repeated += len(responses) > 1
            alike += len(responses) > 1 and len(set(responses)) == 1
            key = {"query": _harness_query(record, query), "model": model}
            rows += [key | {"score": score} for score in _scores(record, metric, grader, responses)]
    if repeated and grader is None:
        _warn(f"{repeated} documents were repeated, and the harness scores one response of each; "
              "pass grader= to score them all")  # fmt: skip
    elif repeated and alike == repeated:
        _warn("the repeats of every document are alike, as if there were no sampling; did the "
              "server get the same seed each time?")  # fmt: skip
    return _outcomes(rows)


def _sample_files(paths):
    for path in paths if isinstance(paths, (list, tuple)) else [paths]:
        path = Path(path)
        if not path.exists():
            raise ValueError(f"there is no file or folder {str(path)!r}")
        yield from sorted(path.rglob("samples_*.jsonl")) if path.is_dir() else [path]


def _model_name(file):
    """The model's name, as the results of the same run have it."""
    time = file.stem.rpartition("_")[2]
    for results in file.parent.glob(f"results_{time}*.json"):
        name = json.loads(results.read_text("utf-8")).get("model_name")
        if name:
            return name
    return file.parent.name


def _harness_query(record, query):
    if query == "doc_id":
        return record["doc_id"]
    if query == "prompt":
        return next(iter(record["arguments"].values()))["arg_0"]
    if query not in record["doc"]:
        raise ValueError(f"doc {record['doc_id']} has no {query!r}, but {sorted(record['doc'])}")
    return record["doc"][query]


def _repeats(record):
    """The texts of a document's responses; none where it was scored by likelihood."""
    first = record["resps"][0]
    return [text for text in first if isinstance(text, str)] if isinstance(first, list) else []


def _scores(record, metric, grader, responses):
    if grader is None:
        return [float(record[_the_only(record["metrics"], metric, "metric")])]
    if not responses:
        raise ValueError(f"doc {record['doc_id']} has no responses in words to grade")
    return [float(grader(text, record["target"])) for text in responses]


# ---- shared ----------------------------------------------------------------------


def _the_only(names, wanted, role):
    names = sorted(names)
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted not in names:
        problem = f"there is no {role} {wanted!r}" if wanted else f"there are several {role}s"
        raise ValueError(f"{problem}; pass {role}= one of {names}")
    return wanted


def _warn(message):
    warn(message, CollectionWarning, stacklevel=3)


def _outcomes(rows):
    if not rows:
        raise ValueError("there are no scored samples in these logs")
    frame = pd.DataFrame(rows)
    numeric = [name for name in frame if name not in ("query", "model", "paraphrase")]
    frame[numeric] = frame[numeric].astype(float)
    frame = frame.drop(columns=[name for name in numeric if frame[name].isna().all()])
    # Paraphrases are numbered within their query, not named by ids of other queries.
    if "paraphrase" in frame:
        ids = frame.groupby("query", sort=False)["paraphrase"]
        frame["paraphrase"] = ids.transform(lambda values: pd.factorize(values)[0])
    return Outcomes.from_frame(frame)

"""Outcomes from the evaluation logs of Inspect."""

import json
import math
import os
from collections import Counter, defaultdict
from typing import NamedTuple

from dars_sklearn.exceptions import CollectionWarning
from dars_sklearn.interop._common import as_list, label_query, outcomes_from_rows, select_name
from dars_sklearn.outcomes._validation import list_values
from dars_sklearn.utils._optional import import_optional
from dars_sklearn.utils._warnings import warn_user

__all__ = ["from_inspect"]

# What Inspect's value_to_float knows; it returns 0 for any other text, as for a wrong answer.
_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # correct, partial, incorrect, no answer
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


def from_inspect(logs, *, query="input", scorer=None, score_range=(0.0, 1.0)):
    """Read the evaluation logs of Inspect, whose epochs become samples.

    Parameters
    ----------
    logs : str, path-like, EvalLog, or list of them
        Log files, folders of log files, or logs that are already loaded.
    query : str, default="input"
        What identifies a query: "input", the text of the sample; "id", its id, in which case the
        inputs are the ``texts`` of the outcomes; or a key of its metadata, in which case samples
        with the same value and different inputs are paraphrases of one query.
    scorer : str or None, default=None
        Name of the scorer whose scores to use. None uses the only scorer of all logs.
    score_range : tuple of float or None, default=(0.0, 1.0)
        Lowest and highest possible score, as in :meth:`dars_sklearn.Outcomes.from_frame`.

    Returns
    -------
    Outcomes
        Outcomes with one model for each ``model`` of the logs, and with ``input_tokens``,
        ``output_tokens``, ``latency`` (Inspect's working time, in seconds) and, if Inspect
        reports prices, costs.

    Raises
    ------
    ImportError
        If inspect-ai is not installed.
    ValueError
        If there are no scored samples, a log or a sample is passed twice, ``scorer`` is None and
        there are several scorers, a log has no score of the ``scorer``, a score is out of range
        or not a single value, one id or input belongs to several questions, or a value of the
        metadata cannot identify a query.

    Warns
    -----
    CollectionWarning
        If samples have no score, or one that cannot be read as a number. Their outcomes are
        missing.

    See Also
    --------
    from_lm_eval : Read the sample logs of the LM Evaluation Harness.
    dars_sklearn.Outcomes.with_prices : Compute costs from token counts.

    References
    ----------
    UK AI Security Institute, Inspect, https://inspect.aisi.org.uk.

    Examples
    --------
    >>> from dars_sklearn.interop import from_inspect
    >>> outcomes = from_inspect("logs/", scorer="includes")  # doctest: +SKIP
    """
    samples = _read_samples(logs, query)
    if query in ("input", "id"):
        _check_same_questions(samples, query)
    scorer = _select_scorer(samples, scorer)
    scored = []
    unscored, unreadable = Counter(), defaultdict(list)
    for sample in samples:
        score = sample.read_score(scorer)
        if score is None:
            unscored[sample.row["model"]] += 1
        elif math.isnan(score):
            unreadable[sample.row["model"]].append(sample.scores[scorer])
        else:
            scored.append(sample.row | {"score": score})
    _warn_of_missing_scores(unscored, unreadable, scorer)
    return outcomes_from_rows(scored, score_range)


class _Sample(NamedTuple):
    """One sample of a log.

    Parameters
    ----------
    row : dict
        What becomes a row of the table of outcomes, once it has a score.
    sample_id : str
        Id of the sample.
    log : str
        Name of the log.
    choices : list of str
        What the model had to choose from, sorted, since tasks may shuffle it.
    scores : dict of str to object
        Value of each scorer.
    """

    row: dict
    sample_id: str
    log: str
    choices: list
    scores: dict

    def read_score(self, scorer):
        """Return the score of a scorer: None if there is none, NaN if it is not a number."""
        value = self.scores.get(scorer)
        if isinstance(value, (list, dict)):
            raise ValueError(
                f"the score of sample {self.sample_id!r} by scorer {scorer!r} is not a single "
                f"number: {value!r:.100}"
            )
        if isinstance(value, str):
            return _read_text(value)
        # Inspect's NaN is a score that was left out.
        return None if value is None or math.isnan(value) else float(value)


def _read_text(value):
    """Return the number that a text stands for, NaN if there is none."""
    if value in _LETTERS:
        return _LETTERS[value]
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    try:
        number = float(value)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _import_inspect(module):
    return import_optional(f"inspect_ai.{module}", extra="inspect", needed_by="from_inspect")


def _read_samples(logs, query):
    """Read the samples of all logs; refuse logs and samples that are passed twice."""
    samples, log_of_eval, log_of_sample = [], {}, {}
    for log in _read_logs(logs):
        eval_id = log.eval.eval_id
        name = log.location or eval_id
        if eval_id in log_of_eval:
            raise ValueError(
                f"the log {name!r} (eval_id {eval_id}) is passed more than once: "
                f"{log_of_eval[eval_id]!r} is the same; remove its copies"
            )
        log_of_eval[eval_id] = name
        for sample in log.samples or []:
            if sample.uuid is not None and sample.uuid in log_of_sample:
                raise ValueError(
                    f"sample {sample.id!r} (uuid {sample.uuid}) is in the logs "
                    f"{log_of_sample[sample.uuid]!r} and {name!r}; a retry of an "
                    "evaluation copies the samples that were complete: leave out the first log"
                )
            log_of_sample[sample.uuid] = name
            samples.append(_read_sample(sample, log, name, query))
    return samples


def _read_logs(logs):
    inspect_log = _import_inspect("log")
    for log in as_list(logs):
        if isinstance(log, inspect_log.EvalLog):
            yield log
        elif os.path.isdir(log):
            for info in inspect_log.list_eval_logs(os.fspath(log)):
                yield inspect_log.read_eval_log(info)
        else:
            yield inspect_log.read_eval_log(os.fspath(log))


def _read_sample(sample, log, name, query):
    usage = (sample.model_usage or {}).get(log.eval.model)
    label, text = _query_of(sample, query)
    choices = sorted(sample.choices or [])
    row = {
        "query": label,
        "text": text,
        "model": log.eval.model,
        "paraphrase": json.dumps([_messages_of(sample), choices]),
        "cost": getattr(usage, "total_cost", None),
        "input_tokens": getattr(usage, "input_tokens", None),
        "output_tokens": getattr(usage, "output_tokens", None),
        "latency": sample.working_time,
    }
    scores = {scorer: score.value for scorer, score in (sample.scores or {}).items()}
    return _Sample(row, str(sample.id), name, choices, scores)


def _query_of(sample, query):
    """Return the label and the text of a sample's query."""
    if query == "id":
        return str(sample.id), _input_text(sample)
    if query == "input":
        return (_input_text(sample),) * 2
    metadata = sample.metadata or {}
    if query not in metadata:
        raise ValueError(
            f"the metadata of sample {sample.id!r} has no {query!r}, only {sorted(metadata)}; "
            "pass query= one of these, 'input' or 'id'"
        )
    return label_query(metadata[query], f"the metadata {query!r} of sample {sample.id!r}")


def _input_text(sample):
    """Return the input of a sample; of a chat, what the user wrote."""
    if isinstance(sample.input, str):
        return sample.input
    return "\n".join(message.text for message in sample.input if message.role == "user")


def _messages_of(sample):
    """Return the messages of a sample's input as roles and texts, without their random ids."""
    if isinstance(sample.input, str):
        return [["user", sample.input]]
    return [[message.role, message.text] for message in sample.input]


def _check_same_questions(samples, query):
    """Refuse questions that have the same id, or the same input but other choices."""
    first = {}
    for sample in samples:
        label = sample.row["query"]
        other = first.setdefault(label, sample)
        if query == "id" and sample.row["paraphrase"] != other.row["paraphrase"]:
            raise ValueError(
                f"the id {label!r} belongs to several questions: {other.row['text']!r:.100} in "
                f"{other.log!r}, and {sample.row['text']!r:.100} in {sample.log!r}; pass "
                "query='input' or a key of the metadata"
            )
        if query == "input" and sample.choices != other.choices:
            raise ValueError(
                f"the input {label!r:.100} belongs to several questions: with the choices "
                f"{other.choices!r:.100} in sample {other.sample_id!r} of {other.log!r}, and "
                f"{sample.choices!r:.100} in sample {sample.sample_id!r} of {sample.log!r}; pass "
                "query='id' or a key of the metadata"
            )


def _select_scorer(samples, scorer):
    """Return the scorer whose scores to use; refuse a log that has none of it."""
    log_of_scorer = {name: sample.log for sample in samples for name in sample.scores}
    if not log_of_scorer:
        return scorer  # no sample is scored
    scorer = select_name(log_of_scorer, scorer, "scorer")
    scorers_of_log = defaultdict(set)
    for sample in samples:
        scorers_of_log[sample.log].update(sample.scores)
    for log, scorers in scorers_of_log.items():
        if scorers and scorer not in scorers:
            raise ValueError(
                f"the log {log!r} has no scorer {scorer!r}, only {sorted(scorers)}; pass scorer= "
                "one that all logs have, or leave the log out"
            )
    return scorer


def _warn_of_missing_scores(unscored, unreadable, scorer):
    """Warn of samples without a score, and of scores that are no numbers."""
    for model, count in unscored.items():
        warn_user(
            f"{count} samples of model {model!r} have no score, and their outcomes are missing",
            CollectionWarning,
        )
    for model, values in unreadable.items():
        warn_user(
            f"{len(values)} scores of model {model!r} by scorer {scorer!r} cannot be read as "
            f"numbers ({list_values(sorted(set(values)), 'value')}), and their outcomes are "
            "missing",
            CollectionWarning,
        )

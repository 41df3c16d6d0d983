"""Find the sample logs of the LM Evaluation Harness, and read the layouts of its releases.

- Since release 0.4.3: ``samples_<task>_<time>.jsonl`` (at first also ``.json``) with a record per
  line, beside ``results_<time>.json``, in a folder per model.
- Releases 0.4.0 to 0.4.2: ``<model arguments>_<task>.jsonl`` with one JSON array (before that,
  with a record per line), beside one file of results.
- Release 0.3 and older wrote ``<task>_write_out_info.json``, which are not read.

Records of newer releases name their filter and their metrics. In older ones, a document has one
record for each filter, and what is no other known field is a metric.
"""

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Log", "choices_of", "find_logs", "prompt_of", "read_log"]

# Fields of a record besides its metrics.
_FIELDS = {
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics",
    "doc_hash", "prompt_hash", "target_hash",
}  # fmt: skip
_REQUIRED = ("doc_id", "doc", "target", "arguments", "resps")
_WRITE_OUT = "_write_out_info.json"


class Log(NamedTuple):
    """One sample log.

    Parameters
    ----------
    file : Path
        The log.
    model : str
        Name of the model.
    task : str
        Name of the task; "" if it is unknown.
    lower_is_better : frozenset of str
        Metrics of which the file of results says so.
    """

    file: Path
    model: str
    task: str
    lower_is_better: frozenset = frozenset()


def find_logs(paths):
    """List the sample logs in files and folders, and the model and task of each.

    Parameters
    ----------
    paths : list of Path
        Logs, or folders that are searched.

    Returns
    -------
    list of Log
        The logs.

    Raises
    ------
    ValueError
        If there is no such file or folder, a log is of a release before 0.4, or the model of a
        log is unknown.
    """
    read_results = cache(_read_results)  # one file of results may belong to many logs
    files = [file for path in paths for file in _list_logs(path)]
    return [_describe_log(file, read_results) for file in files]


def _list_logs(path):
    """List the logs in a folder, or the only one."""
    if not path.exists():
        raise ValueError(f"there is no file or folder {str(path)!r}")
    files = sorted(filter(_is_log, path.rglob("*.json*"))) if path.is_dir() else [path]
    too_old = [str(file) for file in files if file.name.endswith(_WRITE_OUT)]
    if too_old:
        raise ValueError(
            f"{too_old[0]!r} was written by --write_out of a release before 0.4, whose layout is "
            "not read; evaluate again with --log_samples of a newer release, or pass a table of "
            "its prompts and scores to Outcomes.from_frame"
        )
    return files


def _is_log(file):
    """Return whether a file looks like a log, of any release."""
    if file.name.endswith(_WRITE_OUT):
        return True
    if file.name.startswith("samples_"):
        return file.suffix in (".json", ".jsonl")
    if file.suffix != ".jsonl":
        return False
    with open(file, encoding="utf-8", errors="replace") as lines:
        beginning = lines.read(2_000_000)
    return all(f'"{name}"' in beginning for name in ("doc_id", "arguments", "resps"))


def _read_results(file):
    """Return the results in a file, None if it is no JSON object."""
    try:
        results = json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError):  # not UTF-8, or not JSON
        return None
    return results if isinstance(results, dict) else None


def _describe_log(file, read_results):
    """Read the model and the task of a log from its name and the results of the same run."""
    if not file.name.startswith("samples_"):
        return Log(file, *_model_and_task_of_old_log(file, read_results))
    task, _, time = file.stem.removeprefix("samples_").rpartition("_")
    results = _results_of_run(file, time, read_results)
    higher_is_better = (results.get("higher_is_better") or {}).get(task) or {}
    return Log(
        file,
        results.get("model_name") or file.parent.name,
        task,
        frozenset(name for name, higher in higher_is_better.items() if higher is False),
    )


def _results_of_run(file, time, read_results):
    """Return the results of the same run that name the model, or else an empty dict."""
    for path in sorted(file.parent.glob(f"results_{time}*.json")):
        results = read_results(path)
        if results is None:
            raise ValueError(
                f"{str(path)!r}, which names the model of the log {str(file)!r}, is no JSON "
                "object; repair it, or remove it if the folder is named like the model"
            )
        if results.get("model_name"):
            return results
    return {}


def _model_and_task_of_old_log(file, read_results):
    """Read the name of a log, which consists of the model's arguments and the task."""
    tasks, unreadable = set(), []
    for path in sorted(file.parent.glob("*.json")):
        results = read_results(path)
        if results is None:
            unreadable.append(str(path))
            continue
        if not isinstance(results.get("config"), dict):
            continue
        tasks |= set(results.get("configs") or results.get("results") or ())
        arguments = str(results["config"].get("model_args"))
        task = file.stem.removeprefix(f"{_as_file_name(arguments)}_")
        if task != file.stem and task in tasks:
            name = re.search(r"(?:^|,)(?:pretrained|model|engine)=([^,]+)", arguments)
            return name[1] if name else arguments or file.parent.name, task
    # Results of the next model replace those of the last one; but tasks are the same.
    for task in sorted(tasks, key=len, reverse=True):
        if file.stem.endswith(f"_{task}"):
            return file.stem.removesuffix(f"_{task}"), task
    not_read = f" ({unreadable[0]!r} is no JSON object)" if unreadable else ""
    raise ValueError(
        f"the model of the log {str(file)!r} is unknown: where its name is that of the model and "
        f"where that of the task is only in the file of results in the same folder{not_read}; put "
        "that file beside the log, or rename the log samples_<task>_<time>.jsonl in a folder named "
        "like the model"
    )


def _as_file_name(model_args):
    return re.sub("/|=", "__", model_args)


def read_log(file):
    """Read the records of a log.

    Parameters
    ----------
    file : Path
        The log.

    Returns
    -------
    list of dict
        One record per document and filter, each with ``filter`` and ``metrics``. If the records
        of a document do not name their filters, these are "0", "1", and so on, in the order of
        the task's configuration, or "none" if there is only one.

    Raises
    ------
    ValueError
        If the file is not a log.
    """
    records = _parse(file)
    if not records:
        raise ValueError(f"the log {str(file)!r} is empty; leave it out")
    for record in records:
        _check_record(record, file)
    return [
        {"metrics": sorted(set(record) - _FIELDS)} | record | {"filter": name}
        for record, name in zip(records, _filters_of(records), strict=True)
    ]


def _parse(file):
    """Return the records of a file with one record per line, or with one JSON array."""
    try:
        text = file.read_text("utf-8")
        if text.lstrip().startswith("["):
            return json.loads(text)
        # Not splitlines(), since texts may contain other line separators.
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError) as error:  # not UTF-8, or not JSON
        raise ValueError(
            f"{str(file)!r} is not a log of samples: it is not JSON ({error})"
        ) from None


def _check_record(record, file):
    found = sorted(record) if isinstance(record, dict) else type(record).__name__
    missing = [name for name in _REQUIRED if name not in found]
    if missing:
        raise ValueError(
            f"{str(file)!r} is not a log of samples in a known layout: a record has no "
            f"{missing}, only {found}"
        )


def _filters_of(records):
    """List the filter of each record."""
    if any("filter" in record for record in records):
        return [record.get("filter", "none") for record in records]
    seen, positions = Counter(), []
    for record in records:
        positions.append(seen[record["doc_id"]])
        seen[record["doc_id"]] += 1
    if set(positions) == {0}:
        return ["none"] * len(records)
    return [str(position) for position in positions]


def prompt_of(record):
    """Return the whole text that was sent to the model; of a chat, its messages as JSON."""
    arguments = record["arguments"]
    try:
        if isinstance(arguments, dict):  # {"gen_args_0": {"arg_0": prompt, "arg_1": settings}}
            prompt = next(iter(arguments.values()))["arg_0"]
        else:  # [[prompt, settings]]
            prompt = arguments[0][0]
    except (LookupError, TypeError, StopIteration):
        raise ValueError(
            f"the arguments of doc {record['doc_id']} contain no prompt: {arguments!r:.100}; pass "
            "query= another field, or leave the log out"
        ) from None
    is_only_text = isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str)
    return prompt[0] if is_only_text else prompt  # a chat for a server is ["<JSON>"]


def choices_of(record):
    """List the texts whose likelihood was computed; none if the model wrote a response."""
    arguments = record["arguments"]
    if isinstance(arguments, dict):
        arguments = [list(own.values()) for own in arguments.values()]
    # White space around them depends on the chat template.
    return sorted({own[1].strip() for own in arguments if len(own) > 1 and isinstance(own[1], str)})

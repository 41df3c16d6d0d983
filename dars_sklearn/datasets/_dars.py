"""The paper's own scored generations, from the hub or a local folder."""

import json
from pathlib import Path

import pandas as pd
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

from dars_sklearn.outcomes import Outcomes

__all__ = ["fetch_dars"]

_REPOSITORY = "AIGNLAI/DARS"
_SUBSETS = ("gpqa", "math-500", "drop-800")
_FILES = ("train_scored_generations.jsonl", "test_scored_generations.jsonl", "metadata.json")
_MODELS = (
    "google/gemma-3-12b-it",
    "mistralai/mistral-small-3.2-24b-instruct",
    "qwen/qwen3-32b",
    "meta-llama/llama-3.3-70b-instruct",
    "google/gemini-2.5-flash-lite",
    "deepseek/deepseek-chat-v3.1",
)
_TEXTS = ("original_question", "input_question", "question", "prompt")
_PASSAGES = ("context", "passage")
_LONGEST_PASSAGE = 1200
_FIELDS = ("query_id", "model", "score", "cost", "prompt_variant_id", "decode_id")
_VIEWS = {"rewrites": "prompt_variation", "decodings": "decoding_variation"}


def fetch_dars(subset, *, data_home=None, revision="main", download_if_missing=True):
    """Load the scored generations that the DARS paper was made with.

    200 training queries by 6 models by 5 rewrites by 5 decodes; and test queries
    by 6 models in two views: 3 rewrites of one response each, and 3 decodes of
    the original.

    Parameters
    ----------
    subset : {"gpqa", "math-500", "drop-800"}
        Which data set.
    data_home : str, path-like or None, default=None
        Folder that has, or gets, the files, in a folder of their own for each
        subset; None is ``dars`` in scikit-learn's data home.
    revision : str, default="main"
        Revision of the repository on the hub, as the release itself has it; give
        a commit hash to pin it.
    download_if_missing : bool, default=True
        Whether to fetch files that are not there; needs the extra ``hub``.

    Returns
    -------
    Bunch
        With ``queries`` (texts, a passage before its question), ``outcomes``;
        ``test_queries``, ``test_rewrites`` and ``test_decodings``, outcomes of
        the test queries in either view; ``metadata`` and ``DESCR``. Queries of
        outcomes are named by their ids; models are in the paper's order.

    Raises
    ------
    OSError
        If files are missing and not to be fetched.
    ImportError
        If they are to be fetched, and huggingface-hub is not installed.
    ValueError
        If the subset is unknown, or a file is not as the paper describes it.

    Notes
    -----
    The data is derived from GPQA, MATH-500 and DROP, whose terms go on applying.
    GPQA is gated: do not redistribute its questions.

    References
    ----------
    Lai et al., arXiv 2606.06924; https://huggingface.co/datasets/AIGNLAI/DARS.

    Examples
    --------
    >>> from dars_sklearn.datasets import fetch_dars
    >>> data = fetch_dars("math-500")  # doctest: +SKIP
    """
    if subset not in _SUBSETS:
        raise ValueError(f"subset must be one of {list(_SUBSETS)}, got {subset!r}")
    home = Path(get_data_home()) / "dars" if data_home is None else Path(data_home)
    train, test, metadata = _paths(home, subset, revision, download_if_missing)
    known, texts = _read(train, _FIELDS)
    unseen, test_texts = _read(test, (*_FIELDS, "observation_type"))
    views = {
        name: _outcomes(unseen[unseen["observation_type"] == kind], test_texts, test)
        for name, kind in _VIEWS.items()
    }
    return Bunch(
        queries=texts.to_numpy(dtype=object),
        outcomes=_outcomes(known, texts, train),
        test_queries=test_texts.to_numpy(dtype=object),
        test_rewrites=views["rewrites"],
        test_decodings=views["decodings"],
        metadata=json.loads(metadata.read_text("utf-8")),
        DESCR=(
            f"{subset}: scored generations of {len(_MODELS)} models on {len(texts)} training and "
            f"{len(test_texts)} test queries, of arXiv 2606.06924 ({_REPOSITORY}, {revision})."
        ),
    )


def _paths(home, subset, revision, download_if_missing):
    paths = [home / subset / name for name in _FILES]
    missing = [path for path in paths if not path.is_file()]
    if not missing:
        return paths
    if not download_if_missing:
        raise OSError(f"there is no {str(missing[0])!r}, and download_if_missing is False")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise ImportError(
            "fetching needs huggingface-hub: pip install 'dars-sklearn[hub]'"
        ) from error
    for path in missing:
        hf_hub_download(
            _REPOSITORY, f"{subset}/{path.name}", repo_type="dataset", revision=revision,
            local_dir=home,
        )  # fmt: skip
    return paths


def _read(path, fields):
    """Read the rows of a file, and the text of each query by its id."""
    rows, texts = [], {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(
                    f"line {number} of {str(path)!r} is no JSON, as if the file were cut: {error}"
                ) from None
            lacking = [name for name in fields if row.get(name) is None]
            if lacking:
                raise ValueError(f"line {number} of {str(path)!r} has no {lacking[0]!r}")
            rows.append([row[name] for name in fields])
            if row["query_id"] not in texts:
                texts[row["query_id"]] = _text(row, number, path)
    if not rows:
        raise ValueError(f"{str(path)!r} is empty")
    return pd.DataFrame(rows, columns=list(fields)), pd.Series(texts)


def _text(row, number, path):
    question = next((row[name] for name in _TEXTS if row.get(name)), None)
    if question is None:
        raise ValueError(f"line {number} of {str(path)!r} has no text in any of {list(_TEXTS)}")
    passage = next((row[name] for name in _PASSAGES if row.get(name)), "")
    return f"{passage[:_LONGEST_PASSAGE]}\n\n{question}" if passage else question


def _outcomes(rows, texts, path):
    unknown = set(rows["model"]) - set(_MODELS)
    if unknown:
        raise ValueError(f"{str(path)!r} has models {sorted(unknown)}, which are not the paper's")
    try:
        outcomes = Outcomes.from_frame(
            rows, query="query_id", paraphrase="prompt_variant_id", sample="decode_id",
            queries=texts.index, models=_MODELS,
        )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from error
    counts = outcomes.counts()
    if counts.min() < counts.max():
        query, model = divmod(int(counts.argmin()), len(_MODELS))
        raise ValueError(
            f"{str(path)!r} is not whole: query {outcomes.queries[query]!r} has {counts.min()} "
            f"outcomes of {_MODELS[model]!r}, others have {counts.max()}"
        )
    return outcomes

"""The scored generations of the DARS paper, from the Hugging Face Hub or a local folder."""

import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

from dars_sklearn.outcomes import Outcomes
from dars_sklearn.utils._optional import import_optional

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
_QUESTION_FIELDS = ("original_question", "input_question", "question", "prompt")
_PASSAGE_FIELDS = ("context", "passage")
_MAX_PASSAGE_LENGTH = 1200
_OUTCOME_FIELDS = ("query_id", "model", "score", "cost", "prompt_variant_id", "decode_id")


class _Generations(NamedTuple):
    """The rows of a file, and the text of each query, indexed by its id."""

    rows: pd.DataFrame
    texts: pd.Series


def fetch_dars(subset, *, data_home=None, revision="main", download_if_missing=True):
    """Load the scored generations of the DARS paper.

    The training data has 200 queries, 6 models, 5 paraphrases and 5 samples of each. The test
    data has 6 models in two views: 3 paraphrases with one sample each, and the original query
    with 3 samples.

    Parameters
    ----------
    subset : {"gpqa", "math-500", "drop-800"}
        Name of the data set.
    data_home : str, path-like or None, default=None
        Folder with one subfolder of files per subset, to which missing files are downloaded.
        None uses the folder ``dars`` in scikit-learn's data home.
    revision : str, default="main"
        Revision of the repository on the hub. Pass a commit hash for reproducible results.
    download_if_missing : bool, default=True
        Whether to download missing files, which requires the extra ``hub``.

    Returns
    -------
    Bunch
        Dictionary-like object with the following attributes.

        queries : ndarray of str of shape (n_queries,)
            Texts of the training queries. If there is a passage, its first
            1,200 characters precede the question, as in the released code.
        outcomes : Outcomes
            Outcomes of the training queries. In all outcomes, a query is labelled by its id,
            and the models are in the order of the paper.
        test_queries : ndarray of str of shape (n_test_queries,)
            Texts of the test queries.
        test_rewrites : Outcomes
            Outcomes of the test queries, for several paraphrases with one sample each.
        test_decodings : Outcomes
            Outcomes of the test queries, for one paraphrase with several samples.
        metadata : dict
            Description of the subset in the repository.
        DESCR : str
            Short description of the data.

    Raises
    ------
    OSError
        If files are missing and ``download_if_missing`` is False.
    ImportError
        If files are missing and huggingface-hub is not installed.
    ValueError
        If the subset is unknown, or a file differs from the paper's description.

    See Also
    --------
    load_smol_outcomes : Load the bundled outcomes of small models.

    Notes
    -----
    The data is derived from GPQA, MATH-500 and DROP, whose terms continue to apply. GPQA is
    gated: do not redistribute its questions.

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
    train_file, test_file, metadata_file = _find_files(home, subset, revision, download_if_missing)
    train = _read_generations(train_file, _OUTCOME_FIELDS)
    test = _read_generations(test_file, (*_OUTCOME_FIELDS, "observation_type"))

    def test_outcomes(observation_type):
        rows = test.rows[test.rows["observation_type"] == observation_type]
        return _make_outcomes(rows, test.texts, test_file)

    return Bunch(
        queries=train.texts.to_numpy(dtype=object),
        outcomes=_make_outcomes(train.rows, train.texts, train_file),
        test_queries=test.texts.to_numpy(dtype=object),
        test_rewrites=test_outcomes("prompt_variation"),
        test_decodings=test_outcomes("decoding_variation"),
        metadata=json.loads(metadata_file.read_text("utf-8")),
        DESCR=(
            f"{subset}: scored generations of {len(_MODELS)} models on {len(train.texts)} training "
            f"and {len(test.texts)} test queries, from arXiv 2606.06924 ({_REPOSITORY}, "
            f"{revision})."
        ),
    )


def _find_files(home, subset, revision, download_if_missing):
    """Return the paths of the files, after downloading those that are missing."""
    paths = [home / subset / name for name in _FILES]
    missing = [path for path in paths if not path.is_file()]
    if not missing:
        return paths
    if not download_if_missing:
        raise OSError(
            f"there is no file {str(missing[0])!r}, and download_if_missing is False; set it to "
            "True, or data_home to the folder of the files"
        )
    hub = import_optional("huggingface_hub", extra="hub", needed_by="fetch_dars")
    for path in missing:
        hub.hf_hub_download(
            _REPOSITORY, f"{subset}/{path.name}", repo_type="dataset", revision=revision,
            local_dir=home,
        )  # fmt: skip
    return paths


def _read_generations(path, fields):
    rows, texts = [], {}
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            source = f"line {number} of {str(path)!r}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(
                    f"{source} is not valid JSON, so the file may be truncated: {error}; delete "
                    "it to download it again"
                ) from None
            missing = [name for name in fields if row.get(name) is None]
            if missing:
                raise ValueError(f"{source} has no {missing[0]!r}")
            rows.append([row[name] for name in fields])
            if row["query_id"] not in texts:
                texts[row["query_id"]] = _query_text(row, source)
    if not rows:
        raise ValueError(f"{str(path)!r} is empty; delete it to download it again")
    return _Generations(pd.DataFrame(rows, columns=list(fields)), pd.Series(texts))


def _query_text(row, source):
    """Return the text of a query, joined with its passage as in the released code."""
    question = _first_text(row, _QUESTION_FIELDS)
    if not question:
        raise ValueError(f"{source} has no question in any of {list(_QUESTION_FIELDS)}")
    passage = _first_text(row, _PASSAGE_FIELDS)
    return f"{passage[:_MAX_PASSAGE_LENGTH]}\nQuestion: {question}" if passage else question


def _first_text(row, fields):
    """Return the first text that is not blank, without white space around it, or ""."""
    texts = (row.get(name) for name in fields)
    return next((text.strip() for text in texts if isinstance(text, str) and text.strip()), "")


def _make_outcomes(rows, texts, path):
    unknown = set(rows["model"]) - set(_MODELS)
    if unknown:
        raise ValueError(
            f"{str(path)!r} has models {sorted(unknown)}, which are not among the paper's"
        )
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
            f"{str(path)!r} is incomplete: query {outcomes.queries[query]!r} has {counts.min()} "
            f"outcomes of {_MODELS[model]!r}, other pairs have {counts.max()}; delete the file "
            "to download it again"
        )
    return outcomes.with_texts(texts.to_numpy(dtype=object))

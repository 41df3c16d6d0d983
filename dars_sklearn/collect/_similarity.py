"""How similar the meaning of a rewrite is to that of its query."""

import numpy as np
from sklearn.preprocessing import normalize

__all__ = ["cosine_similarities"]


def cosine_similarities(encoder, rewrites, queries):
    """Compute the cosine similarity between the encodings of each rewrite and its query.

    Parameters
    ----------
    encoder : callable or None
        Encodes a list of texts as an array of shape (n_texts, n_features). With None, all
        similarities are 1.
    rewrites, queries : list of str
        The rewrites, and the query of each.

    Returns
    -------
    ndarray of shape (n_rewrites,)
        The similarities.

    Raises
    ------
    ValueError
        If the encoder returns an array of another shape.
    """
    if encoder is None or not rewrites:
        return np.ones(len(rewrites))
    return np.einsum("ij,ij->i", _encode(encoder, rewrites), _encode(encoder, queries))


def _encode(encoder, texts):
    """Encode texts as vectors of length 1."""
    encoded = np.asarray(encoder(texts), dtype=np.float64)
    if encoded.ndim != 2 or len(encoded) != len(texts):
        raise ValueError(
            f"the encoder returned an array of shape {encoded.shape} for {len(texts)} texts; it "
            "must have one row per text"
        )
    return normalize(encoded)

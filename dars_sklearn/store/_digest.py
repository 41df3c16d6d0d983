"""Digests of texts, which identify requests, gradings and collections in a store."""

import hashlib

__all__ = ["collection_key", "digest", "old_collection_key"]


def digest(*parts):
    """Compute a digest of a sequence of texts.

    Parameters
    ----------
    *parts : str
        Texts. Their boundaries count: ("ab", "c") and ("a", "bc") differ.

    Returns
    -------
    bytes
        A digest of 16 bytes.
    """
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        hasher.update(len(encoded).to_bytes(8, "big") + encoded)
    return hasher.digest()


def collection_key(models, n_samples, queries, cells):
    """Compute the digest that identifies a collection in a store.

    Everything that a run reads back is part of it, so that runs which differ in any of this do
    not change each other's collections.

    Parameters
    ----------
    models : list of str
        Names of the models.
    n_samples : int
        Number of samples of each paraphrase and model.
    queries : sequence of QueryRow
        The queries.
    cells : sequence of Cell
        The request of each paraphrase and model.

    Returns
    -------
    bytes
        A digest of 16 bytes.
    """
    fields = (
        text for label, reference, grading in queries
        for text in (label, reference or "", grading.hex())  # no JSON text is empty
    )  # fmt: skip
    sizes = (str(number) for number in (n_samples, len(models), len(queries)))
    return digest(*sizes, *models, *fields, *map(_cell_to_text, cells))


def old_collection_key(models, queries, cells):
    """Compute the digest that identified a collection until version 2 of the schema.

    Parameters
    ----------
    models, queries, cells : sequence
        As in ``collection_key``.

    Returns
    -------
    bytes
        A digest of 16 bytes.
    """
    return digest(*models, *(query.label for query in queries), *map(_cell_to_text, cells))


def _cell_to_text(cell):
    # Existing stores depend on this format of a cell.
    return str(tuple(cell))

"""Digests of texts, which identify requests, gradings and collections in a store."""

import hashlib

__all__ = ["digest"]


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

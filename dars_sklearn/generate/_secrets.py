"""Keep API keys and secret headers out of whatever is shown, written or stored."""

import base64
import json
import os
import re
import string
from urllib.parse import quote, urlsplit

__all__ = ["Credentials", "check_address", "check_without_secrets", "find_secret"]

# Text that has this many characters in common with a secret is hidden.
_HIDDEN_LENGTH = 8
# A text of fewer characters, such as "none", is no secret, and may occur in any message.
_SHORTEST_SECRET = 6
# Shorter secrets may be words of an ordinary text.
_UNMISTAKABLE_LENGTH = 16
_TO_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
# Names of fields and headers that carry secrets, in lower case and without "-" and "_".
_SECRET_NAME = re.compile(
    r".*(apikey|authorization|secret|secretkey|accesskey|accesskeyid|privatekey|subscriptionkey"
    r"|password|passwd|credential|credentials|cookie)"
    r"|.*(access|api|auth|bearer|github|hf|id|refresh|security|session)token|token"
)
# Fields of a JSON schema that contain further schemas by name.
_SCHEMA_FIELDS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_SECRET_HEADER = re.compile(
    "key|token|secret|auth|pass|cookie|credential|signature|session", re.IGNORECASE
)
# What the keys of well-known services look like, and credentials in addresses and headers.
_SECRET_SHAPES = (
    (
        re.compile(r"\b(Bearer|Basic)\s+(?=[\w.~+/-]*[\d=])[\w.~+/=-]{12,}", re.IGNORECASE),
        r"\1 <secret>",
    ),
    (re.compile(r"://[^/\s@]+@"), "://<secret>@"),
    (
        re.compile(
            r"\b(?:sk-|pplx-|nvapi-|xai-|gsk_|hf_|ghp_|github_pat_|AIza|AKIA)"
            r"(?=[\w-]*\d)[\w-]{16,}"
        ),
        "<secret>",
    ),
    (
        re.compile(
            r"([?&][\w.-]*(?:key|token|secret|password|signature|sig|auth|credential)=)[^&#\s]+",
            re.IGNORECASE,
        ),
        r"\1<secret>",
    ),
)


class Credentials:
    """The API key and the headers of a server, which nothing shows.

    Copies keep them; a pickle does not contain them.

    Parameters
    ----------
    api_key : str or None, default=None
        The API key. None reads ``OPENAI_API_KEY`` when it is needed.
    headers : dict of str to str or None, default=None
        Further headers.

    Raises
    ------
    TypeError, ValueError
        If they cannot be sent in a header. The message does not contain them.
    """

    def __init__(self, api_key=None, headers=None):
        self._api_key = None if api_key is None else _check_key(api_key, "api_key")
        self._headers = tuple(_check_headers(headers or {}))

    def __repr__(self):
        return "<credentials>"

    def __eq__(self, other):
        return isinstance(other, Credentials) and self._identity() == other._identity()

    def __hash__(self):
        return hash(self._identity())

    def _identity(self):
        """Return what two equal credentials have in common."""
        return self._api_key, self._headers

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return Credentials, ()

    def resolve(self):
        """Return the credentials to use now: the key is that of the environment if none is set."""
        if self._api_key is not None or not os.environ.get("OPENAI_API_KEY"):
            return self
        resolved = Credentials()
        resolved._api_key = _check_key(os.environ["OPENAI_API_KEY"], "OPENAI_API_KEY")
        resolved._headers = self._headers
        return resolved

    @property
    def api_key(self):
        """The API key, None if there is none."""
        return self._api_key

    @property
    def headers(self):
        """The headers of the user, in the usual case, so that they replace those of the client."""
        return {name.title(): value for name, value in self._headers}

    def hide(self, text):
        """Return a text of a server or a library without secrets, as valid Unicode.

        Also hidden are parts of a secret, and what looks like a secret of anybody else.
        """
        written = [
            (label, form)
            for label, secret in self._labelled_values()
            for form in (secret, quote(secret, safe=""), _base64(secret))
            if len(form) >= _SHORTEST_SECRET
        ]
        for label, form in written:
            text = text.replace(form, label)
        for shape, replacement in _SECRET_SHAPES:
            text = shape.sub(replacement, text)
        for label, form in written:
            text = _hide_parts(text, form, label)
        return text.encode("utf-8", "backslashreplace").decode()

    def hide_in_response(self, text):
        """Return the text of a model without a complete API key, which it might repeat."""
        for secret in self._unmistakable_values():
            text = text.replace(secret, "<secret>")
        return text

    def are_in(self, text):
        """Return whether a text contains an unmistakable secret."""
        return any(secret in text for secret in self._unmistakable_values())

    def _labelled_values(self):
        """Return each secret with the text that replaces it."""
        key = [("<API key>", self._api_key)] if self._api_key else []
        return key + [("<secret>", _without_scheme(value)) for _, value in self._headers]

    def _unmistakable_values(self):
        """Return the secrets that cannot be mistaken for an ordinary text."""
        secrets = [
            _without_scheme(value) for name, value in self._headers if _SECRET_HEADER.search(name)
        ]
        secrets += [self._api_key] if self._api_key else []
        return [secret for secret in secrets if len(secret) >= _UNMISTAKABLE_LENGTH]


def check_address(base_url):
    """Return the address of a server without a final slash, or raise if it may hold a secret."""
    if not isinstance(base_url, str):
        raise TypeError(f"base_url must be a str, got {type(base_url).__name__!r}")
    is_address = re.match(r"https?://[^/]", base_url, re.IGNORECASE)
    if any(character in base_url for character in "@?#"):
        raise ValueError(
            "base_url must not contain '@', '?' or '#', since addresses are shown and keys in "
            f"them would be, too{_shown_host(base_url)}; pass a key as api_key=, and any other "
            "credentials as headers="
        )
    if _looks_secret(base_url):
        raise ValueError(
            f"base_url contains what looks like a key{_shown_host(base_url)}; pass it as api_key= "
            "or headers=, since addresses are shown"
        )
    if not is_address or not base_url.isprintable() or " " in base_url:
        # A text without a colon or a slash may be a key in the wrong place.
        shown = f", got {base_url!r:.100}" if re.search("[:/]", base_url) else ""
        raise ValueError(f"base_url must be an address such as 'http://localhost:8000/v1'{shown}")
    return base_url.rstrip("/")


def check_without_secrets(settings, credentials):
    """Raise if settings, which are shown and stored, contain a secret.

    Parameters
    ----------
    settings : dict
        The settings of a backend; its ``extra_body`` is searched for fields named like secrets.
    credentials : Credentials
        The secrets of the backend, which none of the settings may contain.

    Raises
    ------
    ValueError
        If a secret is found. It names the place, but does not show the secret.
    """
    for name, value in settings.items():
        if credentials.are_in(json.dumps(value, ensure_ascii=False)):
            raise ValueError(
                f"{name} contains the API key or a secret header, but is shown and stored; pass "
                "secrets as api_key= or headers= only"
            )
    place = find_secret(settings.get("extra_body"), "extra_body")
    if place is not None:
        raise ValueError(
            f"{place} is, or looks like, a secret, but extra_body is shown and stored; pass the "
            "key as api_key=, and any other credentials as headers="
        )


def find_secret(value, place, *, has_schemas=False):
    """Return the place of what looks like a secret in nested dicts and lists.

    A field named like a secret may be empty or a bool, such as ``hf_token=True``. It may be a dict
    only where it is described: in a JSON schema, ``password`` is the name of what a tool takes.

    Parameters
    ----------
    value : object
        What is searched.
    place : str
        The name of the value.
    has_schemas : bool, default=False
        Whether the items of the value are JSON schemas.

    Returns
    -------
    str or None
        The place of the first secret, None if there is none.
    """
    if isinstance(value, str):
        return place if _looks_secret(value) else None
    if isinstance(value, dict):
        items = value.items()
    else:
        items = enumerate(value) if isinstance(value, (list, tuple)) else ()
    for key, item in items:
        if isinstance(key, str) and _looks_secret(key):
            return place
        is_schema = has_schemas and isinstance(item, dict)
        is_value = bool(item) and not isinstance(item, bool) and not is_schema
        if isinstance(key, str) and is_value and _is_secret_name(key):
            return f"{place}[{key!r}]"
        found = find_secret(item, f"{place}[{key!r}]", has_schemas=key in _SCHEMA_FIELDS)
        if found is not None:
            return found
    return None


def _is_secret_name(name):
    """Return whether a field with this name usually carries a secret."""
    return _SECRET_NAME.fullmatch(re.sub("[-_]", "", name).lower()) is not None


def _looks_secret(text):
    """Return whether a text contains what looks like a secret."""
    return any(shape.search(text) for shape, _ in _SECRET_SHAPES)


def _shown_host(base_url):
    """Return the host of an address for a message, if it cannot be mistaken for a secret."""
    try:
        host = urlsplit(base_url).hostname
    except ValueError:
        host = None
    return f" (host {host!r})" if host and re.fullmatch(r"[\w.:-]+", host) else ""


def _check_key(api_key, name):
    """Return a key without surrounding whitespace, such as the newline at the end of a file."""
    if not isinstance(api_key, str):
        raise TypeError(f"{name} must be a str, got {type(api_key).__name__!r}")
    api_key = api_key.strip()
    if not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ValueError(
            f"{name} contains whitespace or a character that is not printable ASCII, and cannot "
            "be sent; the key is not shown here"
        )
    return api_key or None


def _check_headers(headers):
    """Yield the names and values of headers, or raise without showing a value."""
    if not isinstance(headers, dict):
        raise TypeError(f"headers must be a dict, got {type(headers).__name__!r}")
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ValueError(
                "headers must be a dict of names such as 'X-API-Key' and their values; a name "
                "consists of letters, digits and hyphens"
            )
        if not isinstance(value, str):
            raise TypeError(f"headers[{name!r}] must be a str, got {type(value).__name__!r}")
        value = value.strip()
        if not (value.isascii() and value.isprintable()):
            raise ValueError(
                f"headers[{name!r}] contains a character that is not printable ASCII, and cannot "
                "be sent; its value is not shown here"
            )
        yield name, value


def _without_scheme(value):
    """Return the value of a header without a first word such as "Bearer"."""
    return re.sub(r"(?i)^(bearer|basic|token)\s+", "", value)


def _hide_parts(text, secret, label):
    """Replace all parts of a text that have enough characters in common with a secret."""
    width = _HIDDEN_LENGTH
    lower_text, lower_secret = text.translate(_TO_LOWER), secret.translate(_TO_LOWER)
    parts = {lower_secret[i : i + width] for i in range(len(secret) - width + 1)}
    shown, end = [], 0
    for begin in range(len(text) - width + 1):
        if lower_text[begin : begin + width] in parts:
            if begin > end or not shown:
                shown += [text[end:begin], label]
            end = begin + width
    return "".join([*shown, text[end:]])


def _base64(text):
    """Return the form of a secret in a header of basic authentication."""
    return base64.b64encode(text.encode()).decode().rstrip("=")

import re

import numpy as np
import pandas as pd

from dars_sklearn.utils._html import html_table, html_view


def test_a_table_has_its_caption_and_leaves_out_what_is_missing():
    frame = pd.DataFrame({"a": [0.123456, np.nan]}, index=["x", "y"])
    html = html_table(frame, "first & last")
    assert "<caption>first &amp; last</caption>" in html
    assert re.findall(r"<t[hd]>(.*?)</t[hd]>", html) == [
        "", "a", "x", "0.1235", "y", ""
    ]  # fmt: skip
    assert "<caption>" not in html_table(frame)
    assert "0.12<" in html_table(frame, float_format="{:.2f}".format)


def test_nothing_is_shown_of_an_empty_table():
    assert html_table(pd.DataFrame(columns=["a"]), "caption") == ""


def test_texts_are_escaped_and_never_read_as_formulas():
    frame = pd.DataFrame({"<i>": ["a & b"]}, index=["$x$ `y`"])
    html = html_view("<title>", html_table(frame, "<b>"), notes=["1 < 2"])
    for text in ("&lt;i&gt;", "a &amp; b", "$x$ `y`", "&lt;b&gt;", "1 &lt; 2", "&lt;title&gt;"):
        assert text in html
    assert html.startswith('<div class="dars-sklearn tex2jax_ignore mathjax_ignore">')
    assert html.count("<div") == html.count("</div>") == 2

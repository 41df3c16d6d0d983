"""How results look in a notebook: titles, notes and tables."""

from html import escape

__all__ = ["html_table", "html_view"]

# Names of models may have dollar signs, which notebooks would otherwise read as formulas.
_NO_FORMULAS = "tex2jax_ignore mathjax_ignore"
# Without the style, which some viewers remove, the tables stay readable.
_STYLE = """<style>
.dars-sklearn > div {overflow-x: auto}
.dars-sklearn table {border-collapse: collapse; margin: 0.3em 0 1em; font-size: 0.92em}
.dars-sklearn caption {text-align: left; font-weight: bold; padding: 0.2em 0.6em}
.dars-sklearn :is(th, td) {padding: 0.25em 0.6em; border: 0; text-align: right;
 vertical-align: top; font-variant-numeric: tabular-nums}
.dars-sklearn tr > * {border-bottom: 1px solid rgba(128, 128, 128, 0.3)}
.dars-sklearn thead th {font-weight: bold; vertical-align: bottom}
.dars-sklearn thead th {max-width: 14em; overflow-wrap: break-word}
.dars-sklearn tbody th {text-align: left; font-weight: normal; min-width: 11em; max-width: 30em;
 overflow-wrap: anywhere}
</style>"""


def html_table(frame, caption="", float_format="{:.4g}".format, *, index=True):
    """Return a table as HTML, with its numbers at the right and its row labels at the left.

    Parameters
    ----------
    frame : DataFrame
        Numbers or texts; what is missing is left empty. All texts are escaped.
    caption : str, default=""
        Heading of the table.
    float_format : callable, default="{:.4g}".format
        Writes a number.
    index : bool, default=True
        Whether the rows have labels.

    Returns
    -------
    str
        The table; nothing if it is empty.
    """
    if frame.empty:
        return ""
    table = frame.to_html(index=index, float_format=float_format, na_rep="", border=0)
    if caption:
        opening, rest = table.split(">", 1)
        table = f"{opening}>\n<caption>{escape(caption)}</caption>{rest}"
    return f"<div>{table}</div>"


def html_view(title, *tables, headline=(), notes=()):
    """Return the HTML of a result.

    Parameters
    ----------
    title : str
        What the result is.
    *tables : str
        Tables, from :func:`html_table`.
    headline : sequence of str, default=()
        Sentences that say the result, in bold.
    notes : sequence of str, default=()
        Sentences to read before the tables.

    Returns
    -------
    str
        The HTML.
    """
    paragraphs = [
        f"<p>{escape(title)}</p>",
        *(f"<p><strong>{escape(text)}</strong></p>" for text in headline),
        *(f"<p>{escape(text)}</p>" for text in notes),
    ]
    content = "".join([*paragraphs, *tables])
    return f'<div class="dars-sklearn {_NO_FORMULAS}">{_STYLE}{content}</div>'

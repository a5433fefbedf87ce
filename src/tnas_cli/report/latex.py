"""A table as LaTeX for a paper: two `tabular`s with booktabs, and the notes below them."""

from __future__ import annotations

from tnas_cli.report.grids import BELOW, Grid, details, main
from tnas_cli.report.tables import Table

#: Everything that LaTeX would read as something else, and signs that an 8-bit font does not have.
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    # A bracket after a line's end would be read as its option.
    "[": "{[}",
    "]": "{]}",
}


def escape(text: str) -> str:
    """The text as LaTeX prints it.

    >>> escape("50% of a_b")
    '50\\\\% of a\\\\_b'
    """
    # Two of these in a row would become one sign.
    joined = ("{}" if before == sign and sign in "-'`" else "" for before, sign in zip(" " + text, text, strict=False))
    return "".join(apart + _ESCAPES.get(sign, sign) for apart, sign in zip(joined, text, strict=True))


def to_latex(table: Table) -> str:
    """One `table` environment; needs `\\usepackage{booktabs}`."""
    further = details(table)
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{escape(f'{table.title} (Table {table.number} of the paper, and ours)')}}}",
        f"\\label{{tab:tnas-{table.number}}}",
        *_tabular(main(table)),
    ]
    if further is not None:
        lines += ["", "\\medskip", *_tabular(further)]
    lines += ["", "\\medskip", "\\begin{flushleft}\\footnotesize"]
    lines += [f"{escape(note)}\\\\" for note in table.notes]
    return "\n".join([*lines, "\\end{flushleft}", "\\end{table}"]) + "\n"


def _tabular(grid: Grid) -> list[str]:
    lines = [f"\\begin{{tabular}}{{{''.join('r' if numeric else 'l' for numeric in grid.numeric)}}}", "\\toprule"]
    lines += [_row(grid.titles), "\\midrule"]
    for index, row in enumerate(grid.rows):
        if index == grid.below:
            lines += ["\\midrule", f"\\multicolumn{{{len(grid.titles)}}}{{l}}{{\\emph{{{escape(BELOW)}}}}} \\\\"]
        lines.append(_row(row))
    return [*lines, "\\bottomrule", "\\end{tabular}"]


def _row(cells: tuple[str, ...]) -> str:
    return f"{' & '.join(map(escape, cells))} \\\\"

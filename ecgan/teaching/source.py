r"""The package's own lines on a page of the book: what a chapter explains is what runs."""

import ast
import inspect
import textwrap
from collections.abc import Callable


def lines(function: Callable) -> str:
    r"""The text of a function as it stands in its file, without its docstring.

    Raises:
        ValueError: it has no Python file, as a function of torch that is written in C++.
    """
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (TypeError, OSError) as error:
        raise ValueError(f"{function} has no lines in a Python file: {error}") from error
    body = ast.parse(text).body[0].body
    kept = text.splitlines()
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        del kept[body[0].lineno - 1 : body[0].end_lineno]
    return "\n".join(kept)

"""Tables as Markdown."""

from collections.abc import Iterable, Sequence


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table, each of its lines ended.

    Args:
      titles: Of the columns.
      rows: Cells, as many in each as there are titles.
    """
    lines = [titles, *rows]
    for row in lines[1:]:
        if len(row) != len(titles):
            raise ValueError(f"{len(row)} cells under {len(titles)} titles: {row}")
    text = [f"| {' | '.join(map(str, cells))} |" for cells in lines]
    text.insert(1, "|---" * len(titles) + "|")
    return "".join(f"{line}\n" for line in text)

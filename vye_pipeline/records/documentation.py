"""The tables of fields in docs/bdn-interface.md, written from the declarations.

`python -m vye_pipeline.records.documentation` prints them; a test holds the page to them.
"""

from __future__ import annotations

import sys

from vye_pipeline.records import KINDS, Kind


def field_table(kind: Kind) -> str:
    """Returns the fields of a kind as a Markdown table."""
    width = "width" if kind.is_fixed_width else "least width"
    lines = [
        f"### {kind.title}",
        "",
        f"| field | {width} | made from | content | rules | personal |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for field in kind.fields:
        column = kind.column(field.column)
        rules = ", ".join(f"`{rule.code}`" for rule in kind.rules(column))
        personal = "yes" if column.is_sensitive else ""
        source = f"{column.owner}.{column.name}"
        cells = (field.name, str(field.width or ""), source, column.content, rules, personal)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write("\n".join(field_table(kind) for kind in KINDS))

"""Counts what the products found can be chosen in: options stand in the variants' documents."""

from typing import Any

import sqlalchemy as sa

from shop.adapters.sql.tables import variants

#: Pairs of a name and a value, the most frequent ones.
MOST = 200


def option_counts(found: sa.Select[Any]) -> dict[str, sa.Select[Any]]:
    """By dialect: rows of `name`, `value` and `found`, for products whose ids `found` selects."""
    pair = sa.func.json_each(variants.c.document, sa.literal_column("'$.options'")).table_valued(
        "value", name="pair"
    )
    sqlite = _counted(
        sa.func.json_extract(pair.c.value, sa.literal_column("'$[0]'")),
        sa.func.json_extract(pair.c.value, sa.literal_column("'$[1]'")),
        [sa.join(variants, pair, sa.true())],
        found,
    )
    # SQLAlchemy has no words for the columns of a JSON_TABLE.
    table = sa.text(
        "JSON_TABLE(variants.document, '$.options[*]' COLUMNS ("
        "name VARCHAR(255) PATH '$[0]', value VARCHAR(255) PATH '$[1]')) AS pair"
    )
    mysql = _counted(
        sa.literal_column("pair.name", sa.Text),
        sa.literal_column("pair.value", sa.Text),
        [variants, table],
        found,
    )
    return {"sqlite": sqlite, "mysql": mysql, "mariadb": mysql}


def _counted(
    name: sa.ColumnElement[Any],
    value: sa.ColumnElement[Any],
    pairs: list[Any],
    found: sa.Select[Any],
) -> sa.Select[Any]:
    count = sa.func.count(variants.c.product_id.distinct()).label("found")
    return (
        sa.select(name.label("name"), value.label("value"), count)
        .select_from(*pairs)
        .where(variants.c.on_sale, variants.c.product_id.in_(found))
        .group_by(name, value)
        .order_by(count.desc(), name, value)
        .limit(MOST)
    )

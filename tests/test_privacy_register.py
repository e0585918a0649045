"""The table of stored columns in the docs: every column, no other, and what the schema says of it."""

from __future__ import annotations

from op25b import schema
from tests.support import personal_data


def test_every_stored_column_has_one_reason_and_no_other_is_named() -> None:
    stored = personal_data.stored()
    for table, columns in stored.items():
        for column in columns:
            assert personal_data.group_of(table, column)["why"]
    reasons = personal_data.reasons()
    assert set(reasons["tables"]) == set(stored)
    named = {name for group in reasons["columns"] for name in group["names"]}
    assert named == {column for columns in stored.values() for column in columns}


def test_what_is_personal_is_what_the_schema_says() -> None:
    for table in schema.RAW.values():
        said = {name: personal_data.group_of(table.name, name).get("personal", "no") for name in table.schema}
        assert said == {column.name: column.personal for column in table.columns}, table.name


def test_personal_columns_of_raw_tables_are_personal_in_derived_ones() -> None:
    personal = {column.name for table in schema.RAW.values() for column in table.columns if column.personal != "no"}
    for table, columns in personal_data.stored().items():
        for column in personal & set(columns):
            assert personal_data.group_of(table, column).get("personal", "no") != "no", (table, column)


def test_the_page_is_up_to_date() -> None:
    assert personal_data.written() == personal_data.section(), "run python -m tests.support.personal_data"

"""What the database itself refuses: nobody changes or removes what people and failures have left.

Like the views these triggers hold nothing, so they are taken away for a migration and made anew
after it. On PostgreSQL they belong to the tables' owner, and no other role can switch them off; on
SQLite the owner of the file can.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from vye_pipeline.ledger.models import METADATA

# Tables that take inserts only, and the one column of theirs that is filled in later, once.
INSERT_ONLY = {
    "actions": None,
    "contact_lookups": None,
    "decisions": None,
    "failures": None,
    "hand_overs": None,
    "holds": None,
    "redeliveries": "redelivered_at",
    "resolutions": None,
}
# Tables whose rows say who has made them: PostgreSQL signs them with the session's user.
SIGNED = (
    "actions", "contact_lookups", "decisions", "hand_overs", "holds", "redeliveries", "resolutions",
)  # fmt: skip
REFUSED = "takes inserts only"
PREFIX = "guard_"
# A put and a hand-over of one file exclude each other: what must not be there when one begins.
EXCLUDED = {
    "tries": (
        "NEW.revision = 1 AND NEW.outcome = 'unknown'",
        "SELECT 1 FROM hand_overs AS begun WHERE begun.step = 'begun'"
        " AND begun.kind = NEW.kind AND begun.partition_date = NEW.partition_date"
        " AND NOT EXISTS (SELECT 1 FROM hand_overs AS decided WHERE decided.try_id = begun.try_id"
        " AND decided.step <> 'begun')",
        "it is being handed over",
    ),
    "hand_overs": (
        "NEW.step = 'begun'",
        "SELECT 1 FROM tries WHERE tries.kind = NEW.kind"
        " AND tries.partition_date = NEW.partition_date AND tries.revision = 1"
        " AND tries.outcome <> 'refused' AND tries.id <> NEW.try_id",
        "a put of it has begun",
    ),
}


def create_guards(connection: Connection) -> None:
    """Makes the triggers."""
    if connection.dialect.name == "sqlite":
        _guard_sqlite(connection)
    else:
        _guard_postgresql(connection)


def drop_guards(connection: Connection) -> None:
    """Takes the triggers away that are there."""
    if connection.dialect.name == "sqlite":
        query = "SELECT name, '' FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = "SELECT tgname, ' ON ' || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal"
    for name, of_table in connection.execute(text(query)).all():
        if name.startswith(PREFIX):
            connection.exec_driver_sql(f"DROP TRIGGER {name}{of_table}")


def _guard_sqlite(connection: Connection) -> None:
    for table, filled_in in INSERT_ONLY.items():
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table}: {REFUSED}'); END"
        condition = f"WHEN {_is_changed(connection, table, filled_in)} " if filled_in else ""
        for change, when in (("UPDATE", condition), ("DELETE", "")):
            name = f"{PREFIX}{table}_{change}".lower()
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name} BEFORE {change} ON {table} {when}{refuse}"
            )
    for table, (condition, query, why) in EXCLUDED.items():
        connection.exec_driver_sql(
            f"CREATE TRIGGER {PREFIX}{table}_exclude BEFORE INSERT ON {table}"
            f" WHEN {condition} AND EXISTS ({query})"
            f" BEGIN SELECT RAISE(ABORT, '{table}: {why}'); END"
        )


def _guard_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql(
        "CREATE OR REPLACE FUNCTION guard_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ': {REFUSED}'; END $$"
    )
    connection.exec_driver_sql(
        "CREATE OR REPLACE FUNCTION guard_sign() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.database_user := session_user; RETURN NEW; END $$"
    )
    for table, filled_in in INSERT_ONLY.items():
        is_changed = _is_changed(connection, table, filled_in) if filled_in else "true"
        for change, scope in (
            ("UPDATE", f"ROW WHEN ({is_changed})"),
            ("DELETE", "ROW"),
            ("TRUNCATE", "STATEMENT"),
        ):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {PREFIX}{table}_{change.lower()} BEFORE {change} ON {table}"
                f" FOR EACH {scope} EXECUTE FUNCTION guard_refuse()"
            )
    for table in SIGNED:
        connection.exec_driver_sql(
            f"CREATE TRIGGER {PREFIX}{table}_sign BEFORE INSERT ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION guard_sign()"
        )
    for table, (condition, query, why) in EXCLUDED.items():
        connection.exec_driver_sql(
            f"CREATE OR REPLACE FUNCTION guard_exclude_{table}() RETURNS trigger LANGUAGE plpgsql"
            " AS $$ BEGIN"  # the file's row is what two transactions wait for each other by
            " PERFORM 1 FROM files WHERE files.kind = NEW.kind"
            " AND files.partition_date = NEW.partition_date FOR NO KEY UPDATE;"
            f" IF EXISTS ({query}) THEN RAISE EXCEPTION '{table}: {why}'; END IF;"
            " RETURN NEW; END $$"
        )
        connection.exec_driver_sql(
            f"CREATE TRIGGER {PREFIX}{table}_exclude BEFORE INSERT ON {table}"
            f" FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION guard_exclude_{table}()"
        )


def _is_changed(connection: Connection, table: str, filled_in: str) -> str:
    """Returns the condition that an update does more than fill in a column that was empty."""
    differs = "IS NOT" if connection.dialect.name == "sqlite" else "IS DISTINCT FROM"
    others = [
        f"OLD.{column.name} {differs} NEW.{column.name}"
        for column in METADATA.tables[table].columns
        if column.name != filled_in
    ]
    return " OR ".join([f"OLD.{filled_in} IS NOT NULL", *others])

"""The servers that the other integration tests stand on are real and keep tests apart."""

from __future__ import annotations

import boto3
import sqlalchemy as sa

from vye_pipeline_tests.integration.servers import PostgreSQL


def test_each_database_is_an_empty_one_of_a_real_postgresql(postgresql: PostgreSQL) -> None:
    first, second = (
        sa.create_engine(sa.make_url(postgresql.database()).set(drivername="postgresql+psycopg"))
        for _ in range(2)
    )
    with first.begin() as connection:
        connection.execute(sa.text("CREATE TABLE notes (id integer)"))
        assert str(connection.scalar(sa.text("SELECT version()"))).startswith("PostgreSQL")
    assert sa.inspect(first).get_table_names() == ["notes"]
    assert sa.inspect(second).get_table_names() == []
    first.dispose()
    second.dispose()


def test_each_bucket_is_an_empty_one_on_this_machine(s3_bucket: str) -> None:
    client = boto3.client("s3")
    assert client.meta.endpoint_url.startswith("http://127.0.0.1:")
    assert client.list_objects_v2(Bucket=s3_bucket)["KeyCount"] == 0

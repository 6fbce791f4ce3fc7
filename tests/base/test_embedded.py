import psycopg


async def test_the_service_connects_as_an_ordinary_role(dsn, database) -> None:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select current_user, current_setting('is_superuser')").fetchone()

    assert row == ("caudal", "off")
    async with database.connection() as connection:
        await connection.execute("select 1")

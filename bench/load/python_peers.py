"""Loads one file into a table with a Python library: a process for python_peers.ts.

Arguments: the way (`duckdb_csv`, `duckdb_parquet`, `pgpq` or `adbc`), the URL of the database, the table, the file.
It prints a line when everything is imported and connected, and loads when it reads one.
"""

import sys
from importlib import import_module
from pathlib import Path


def duckdb_loader(select):
    def prepare(url, table, file):
        connection = import_module("duckdb").connect()
        connection.load_extension(str(postgres_extension()))
        connection.execute(f"attach '{url}' as peer (type postgres)")
        return lambda: connection.execute(f"insert into peer.public.{table} {select.format(file=file)}")

    return prepare


def postgres_extension():
    package = import_module("duckdb_extension_postgres_scanner")
    return next(Path(package.__path__[0]).rglob("postgres_scanner.duckdb_extension"))


def pgpq(url, table, file):
    parquet = import_module("pyarrow.parquet").ParquetFile(file)
    encoder = import_module("pgpq").ArrowToPostgresBinaryEncoder(parquet.schema_arrow)
    connection = import_module("psycopg").connect(url)

    def load():
        with connection.cursor() as cursor, cursor.copy(f"copy {table} from stdin with (format binary)") as copy:
            copy.write(encoder.write_header())
            for batch in parquet.iter_batches():
                copy.write(encoder.write_batch(batch))
            copy.write(encoder.finish())
        connection.commit()

    return load


def adbc(url, table, file):
    dataset = import_module("pyarrow.dataset").dataset(file, format="parquet")
    connection = import_module("adbc_driver_postgresql.dbapi").connect(url)

    def load():
        with connection.cursor() as cursor:
            cursor.adbc_ingest(table, dataset.scanner().to_reader(), mode="append")
        connection.commit()

    return load


WAYS = {
    "duckdb_csv": duckdb_loader("select * from read_csv('{file}', header = true)"),
    "duckdb_parquet": duckdb_loader("select * from read_parquet('{file}')"),
    "pgpq": pgpq,
    "adbc": adbc,
}

way, url, table, file = sys.argv[1:]
load = WAYS[way](url, table, file)
print("ready", flush=True)
sys.stdin.readline()
load()

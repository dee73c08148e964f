"""The tables. Times are seconds since 1970 UTC, ids random text, documents JSON text."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text, UniqueConstraint

metadata = MetaData()

jobs = Table(
    "autoprune_jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("token", Text, nullable=False),  # id of the token, empty without one
    Column("owner", Text, nullable=False),
    Column("key", Text),  # idempotency key
    Column("digest", Text, nullable=False),  # of what was asked, for the key
    Column("spec", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    Column("stage", Text, nullable=False, default=""),
    Column("doing", Text, nullable=False, default=""),
    Column("doing_since", Float),
    Column("done", Float, nullable=False, default=0.0),
    Column("total", Float, nullable=False, default=0.0),
    Column("note", Text, nullable=False, default=""),
    Column("error", Text),
    Column("worker", Text),  # that holds its folder
    Column("deaths", Integer, nullable=False, default=0),  # of workers, in the stage that it is in
    UniqueConstraint("token", "key"),
)
Index("autoprune_jobs_newest", jobs.c.created, jobs.c.id)
Index("autoprune_jobs_state", jobs.c.state, jobs.c.token)

events = Table(
    "autoprune_events",
    metadata,
    Column("job", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("data", Text, nullable=False),
)

uploads = Table(
    "autoprune_uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("token", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created", Float, nullable=False),
)

tokens = Table(
    "autoprune_tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("created", Float, nullable=False),
)

sessions = Table(
    "autoprune_sessions",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("token", Text, nullable=False),
    Column("csrf", Text, nullable=False),
    Column("expires", Float, nullable=False),
)

workers = Table(
    "autoprune_workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("devices", Text, nullable=False),
    Column("seen", Float, nullable=False),
)

audit = Table(
    "autoprune_audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False),
    Column("who", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("status", Integer, nullable=False),
)

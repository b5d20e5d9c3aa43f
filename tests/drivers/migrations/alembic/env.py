"""Alembic's environment: where to connect comes from DATABASE_URL."""

import os
import pathlib
import sys

from alembic import context
from sqlalchemy import create_engine

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from models import metadata  # noqa: E402

url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg2://")
with create_engine(url).connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()

"""A real MongoDB server: the one that MONGODB_TEST_URI names, or a mongod on the PATH, started for the tests.

``MONGODB_TEST_URI`` holds login and password of an administrator who may make and drop users, such as
``mongodb://root:...@127.0.0.1:27017/?authSource=admin``. Its users ``dba``, ``orders`` and ``orders-b`` are replaced.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from tests.stage import patience

NO_SUCH_USER = 11
OF_LOGINS = ("authsource", "authmechanism")


def missing() -> str:
    """Why there is none; empty where there is one."""
    found = os.environ.get("MONGODB_TEST_URI") or shutil.which("mongod")
    return "" if found else "no mongod on the PATH, and MONGODB_TEST_URI is not set"


class RealServer:
    """What the tests ask of a server, as `sandbox.mongodb.server.MongoDB` has it."""

    def __init__(self, uri: str) -> None:
        self._client: MongoClient[dict[str, object]] = MongoClient(uri, serverSelectionTimeoutMS=10_000)
        parts = urlsplit(uri)
        query = [(name, value) for name, value in parse_qsl(parts.query) if name.lower() not in OF_LOGINS]
        self._uri = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/" + (f"?{urlencode(query)}" if query else "")
        self.version = str(self._client.server_info()["version"])

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def uri(self, tls: bool = False) -> str:
        """The address, without login and password. ``tls`` is as the given address has it."""
        return self._uri

    def add_user(
        self,
        name: str,
        password: str | None = None,
        database: str = "admin",
        roles: Sequence[str] = (),
        mechanisms: Sequence[str] = (),
    ) -> str:
        """A user in the place of any of that name; returns the password."""
        password = password or secrets.token_urlsafe(18)
        try:
            self._client[database].command("dropUser", name)
        except OperationFailure as error:
            if error.code != NO_SUCH_USER:
                raise
        more = {"mechanisms": list(mechanisms)} if mechanisms else {}
        self._client[database].command("createUser", name, pwd=password, roles=list(roles), **more)
        return password

    def set_password(self, name: str, password: str, database: str = "admin") -> None:
        """Change a password, as another administrator might."""
        self._client[database].command("updateUser", name, pwd=password)

    def password_works(self, name: str, password: str, database: str = "admin") -> bool:
        """Whether a login with it succeeds."""
        client: MongoClient[dict[str, object]] = MongoClient(
            self._uri, username=name, password=password, authSource=database
        )
        try:
            client.admin.command("ping")
        except OperationFailure:
            return False
        finally:
            client.close()
        return True


@contextmanager
def real_server(folder: Path) -> Iterator[RealServer]:
    """The server; a mongod is started in the folder, on loopback, and stopped at the end."""
    if uri := os.environ.get("MONGODB_TEST_URI"):
        server = RealServer(uri)
        try:
            yield server
        finally:
            server.close()
        return
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = ["mongod", "--auth", "--bind_ip", "127.0.0.1", "--port", str(port), "--dbpath", str(folder)]
    with open(folder / "mongod.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        password = _first_user(port)
        server = RealServer(f"mongodb://root:{quote_plus(password)}@127.0.0.1:{port}/?authSource=admin")
        try:
            yield server
        finally:
            server.close()
    finally:
        process.terminate()
        process.wait(patience.seconds(20))


def _first_user(port: int) -> str:
    """Make the first user, which a new server lets anybody do from its own host; returns the password."""
    password, until = secrets.token_urlsafe(18), time.monotonic() + patience.seconds(30)
    client: MongoClient[dict[str, object]] = MongoClient("127.0.0.1", port, serverSelectionTimeoutMS=1_000)
    try:
        while True:
            try:
                client.admin.command("createUser", "root", pwd=password, roles=["root"])
                return password
            except PyMongoError:
                if time.monotonic() > until:
                    raise
    finally:
        client.close()

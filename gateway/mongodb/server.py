"""Users of a MongoDB server, through pymongo (extra ``mongodb``).

Permission of the admin login: ``changePassword`` and ``viewUser`` on the user's database, as *userAdmin* has them.
Source: https://www.mongodb.com/docs/manual/reference/command/updateUser/
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gateway.errors import CallError, Failed, NotSent, Refused, Unclear, Unknown
from gateway.host.http import Http
from gateway.mongodb.address import Address, Admitted, strictly, why
from gateway.secret import Secret

if TYPE_CHECKING:
    from pymongo import MongoClient

log = logging.getLogger("gateway")

_CHANGES = ("updateUser",)
_WRONG_PASSWORD = (18, 8000)
# A change that is answered so was not made. https://www.mongodb.com/docs/manual/reference/error-codes/
_NOT_MADE = (2, 9, 11, 13, 18, 59, 72, 79, 8000, 40415)
_WITHOUT_WRITE_CONCERN = (2, 9, 72, 79, 40415)
_NO_MAJORITY = (64, 100)
_HINTS = {
    11: "there is no such user in auth_database: check login and auth_database",
    13: "give the admin login the role userAdmin on the user's database",
    18: "the admin login or its password is wrong, or it belongs to another database (auth_database of its record)",
}


class RefusedCommand(Refused):
    """The server answered with an error: ``status`` is its number."""

    kind_of_status = "error"


class MongoServer:
    """One server, replica set or sharded cluster.

    Args:
        uri: its address, by the record whose password is changed.
        admitted: what the administrator's record says of where its login may be used.

    Raises:
        Failed: the address cannot be used or looked up, is not admitted, or pymongo is not installed.
    """

    def __init__(self, http: Http, uri: str, admitted: Admitted) -> None:
        self._http = http
        self._address = Address(uri, admitted)
        self._uri = self._address.looked_up(http.timeout())
        self._routers: list[str] = []
        """the address of each router of a sharded cluster, as far as they are known and answer"""

    def logs_in(self, login: str, password: Secret, database: str) -> bool:
        """A real login, at each router of a sharded cluster: each has a cache of the users. Raises CallError."""
        if not self._routers:
            return self._logs_in("", login, password, database)
        missing: CallError | None = None
        for router in list(self._routers):
            try:
                if not self._logs_in(router, login, password, database):
                    return False
            except NotSent as error:
                missing = error
                self._leave_out(router)
        if missing and not self._routers:
            raise missing
        return True

    def _leave_out(self, router: str) -> None:
        """One that is down reads the users anew when it comes back."""
        log.warning("no answer from the router %s: it is not asked again", urlsplit(router).netloc)
        self._routers.remove(router)

    def _logs_in(self, router: str, login: str, password: Secret, database: str) -> bool:
        try:
            self._command((login, password, database), "admin", "ping", router=router)
        except Refused as error:
            if error.status in _WRONG_PASSWORD:
                return False
            raise
        return True

    def set_password(self, admin: tuple[str, Secret, str], login: str, database: str, password: Secret) -> None:
        """Tell the server the user's password; a majority of its set has it then, so that no failover forgets it.

        ``admin``: login, password, database.

        Raises:
            CallError
            Unknown: the server has it, and a majority does not.
        """
        change: dict[str, Any] = {"pwd": password.reveal()}
        concern = {"w": "majority", "wtimeout": int(self._http.timeout() * 750)}
        try:
            answer = self._command(admin, database, "updateUser", login, **change, writeConcern=concern)
        except Refused as error:
            if error.status not in _WITHOUT_WRITE_CONCERN:
                raise
            answer = self._command(admin, database, "updateUser", login, **change)
        if "writeConcernError" in answer:
            raise _no_majority("updateUser")

    def check(self, admin: tuple[str, Secret, str], login: str, database: str) -> None:
        """The admin logs in, and the user is there. Raises Failed, CallError."""
        found = self._command(admin, database, "usersInfo", {"user": login, "db": database})
        if not found.get("users"):
            raise Failed(f"mongodb: there is no user {login!r} in the database {database!r}", _HINTS[11])

    def _command(
        self, who: tuple[str, Secret, str], database: str, name: str, value: Any = 1, router: str = "", **more: Any
    ) -> dict[str, Any]:
        from pymongo import errors

        where = f"mongodb {name}"
        login, password, source = who
        try:
            client = self._client(router, username=login, password=password.reveal(), authSource=source)
        except (errors.ConfigurationError, ValueError, UserWarning, OSError) as error:
            # The address was good before, so it is not what is wrong now; and nothing was sent.
            raise NotSent(where, why(error), "check mongodb_uri and this host") from None
        try:
            if name in _CHANGES:
                _sign_in(client, where)
            answer = dict(client[database].command(name, value, **more))
            self._routers = self._routers or _routers_of(client, self._uri)
            return answer
        except errors.OperationFailure as error:
            raise _refused(name, error.code or 0) from None
        except errors.ServerSelectionTimeoutError:
            raise NotSent(where, "no server answers", "check mongodb_uri, the network, DNS and TLS") from None
        except errors.ConfigurationError as error:
            raise NotSent(where, why(error), "check mongodb_uri and the version of the server") from None
        except errors.PyMongoError as error:
            raise _unclear(where, error) from None
        finally:
            client.close()

    def _client(self, router: str = "", **sign_in: Any) -> MongoClient[dict[str, Any]]:
        from pymongo import MongoClient

        milliseconds = int(self._http.timeout() * 1000)
        if router:
            sign_in["directConnection"] = True
        with strictly():
            return MongoClient(
                router or self._uri,
                **sign_in,
                serverSelectionTimeoutMS=milliseconds,
                connectTimeoutMS=milliseconds,
                socketTimeoutMS=milliseconds,
                maxPoolSize=1,
                retryReads=False,
                **self._address.options,
                **self._address.sign_in,
            )


def _sign_in(client: MongoClient[dict[str, Any]], where: str) -> None:
    """Before a change: what is in the way of that shows now, when nothing was sent. Raises NotSent, PyMongoError."""
    from pymongo import errors

    try:
        client.admin.command("ping")
    except errors.ServerSelectionTimeoutError:
        raise
    except errors.ConnectionFailure as error:
        raise NotSent(where, f"no connection ({type(error).__name__})", "check the network and the server") from None


def _routers_of(client: MongoClient[dict[str, Any]], uri: str) -> list[str]:
    """One address for each host, where these are routers of a sharded cluster; none where there is one host only."""
    parts = urlsplit(uri)
    hosts = parts.netloc.split(",")
    if len(hosts) < 2 or client.topology_description.topology_type_name != "Sharded":
        return []
    return [parts._replace(netloc=host).geturl() for host in hosts]


def _refused(name: str, code: int) -> Exception:
    """What an error of the server means: of a change it may come after that was made."""
    where = f"mongodb {name}"
    if name in _CHANGES and code in _NO_MAJORITY:
        return _no_majority(name)
    if name in _CHANGES and code not in _NOT_MADE:
        return Unclear(where, f"error {code}")
    return RefusedCommand(where, code, hint=_HINTS.get(code, ""))


def _no_majority(name: str) -> Unknown:
    what = f"mongodb {name}: the server has the new value, and a majority of the set did not confirm it in time"
    return Unknown(what, "bring the members of the set back; the record holds both values, and the next run finishes")


def _unclear(where: str, error: Exception) -> CallError:
    return Unclear(where, f"no usable answer ({type(error).__name__})")

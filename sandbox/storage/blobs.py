"""The blobs of storage accounts, as far as a client needs them to prove that its key is accepted.

Only SharedKey is understood: neither SharedKeyLite, nor SAS, nor tokens of Entra. There are no containers.
"""

from __future__ import annotations

import hmac
import re
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as Xml

from sandbox.entra.directory import new_id
from sandbox.proxy.clock import Clock
from sandbox.proxy.echo import quotation
from sandbox.proxy.messages import Request, Response
from sandbox.proxy.service import Service, route
from sandbox.storage.accounts import StorageAccount
from sandbox.storage.service import Storage
from sandbox.storage.signature import signature

GENERIC = {
    400: ("InvalidQueryParameterValue", "A parameter of the query has a value that is not known here."),
    401: ("NoAuthenticationInformation", "The request does not say who makes it."),
    403: ("AuthenticationFailed", "The request is not signed with a key of this account."),
    404: ("ResourceNotFound", "There is nothing here."),
    500: ("InternalError", "The service met an error of its own."),
    503: ("ServerBusy", "The service is busy; try again later."),
}


class BlobError(Exception):
    """A refusal with its HTTP status, the storage service's own code, and what was wrong with the signature."""

    def __init__(
        self, status: int, code: str | None = None, message: str | None = None, detail: str | None = None
    ) -> None:
        generic = GENERIC.get(status, GENERIC[500])
        super().__init__(message or generic[1])
        self.status = status
        self.code = code or generic[0]
        self.detail = detail


class Blobs(Service):
    """Every account has a host of its own; a host without an account is not known, as DNS would have it.

    ``skew_seconds``: how far a request's date may be from the sandbox's clock; None accepts any.
    """

    name = "blob"
    signature = staticmethod(signature)

    def __init__(self, storage: Storage, clock: Clock, echoes_requests: bool = False) -> None:
        self.storage = storage
        self.clock = clock
        self.echoes_requests = echoes_requests
        self.skew_seconds: float | None = 15 * 60.0

    def serves(self, host: str) -> bool:
        """Whether there is an account with this host."""
        return self._account(host) is not None

    def handle(self, request: Request) -> Response:
        """Perform the request if it is signed; a BlobError becomes its answer."""
        try:
            self._admit(request)
            if request.path == "/" and self._find(request) is None:
                raise BlobError(400)
            response = super().handle(request)
        except BlobError as error:
            response = self._error(request, error)
        response.headers = self._common_headers(request) | response.headers
        return response

    def failure(self, request: Request, status: int) -> Response:
        """The storage service's form of an error."""
        return self._error(request, BlobError(status))

    # -- the wire: an operation is known by the query, which is therefore part of the path here ------------------

    @route("GET", r"/\?restype=account&comp=properties", "get_account_information")
    def account_information(self, request: Request, match: re.Match[str]) -> Response:
        """What kind of account it is, in headers alone."""
        account = self._existing(request)
        return Response(200, b"", {
            "x-ms-sku-name": account.sku, "x-ms-account-kind": account.kind, "x-ms-is-hns-enabled": "false"
        })  # fmt: skip

    @route("GET", r"/\?restype=service&comp=properties", "get_service_properties")
    def service_properties(self, request: Request, match: re.Match[str]) -> Response:
        """Logs, metrics and the like: all off."""
        root = Xml.Element("StorageServiceProperties")
        logging = Xml.SubElement(root, "Logging")
        for name, value in (("Version", "1.0"), ("Read", "false"), ("Write", "false"), ("Delete", "false")):
            Xml.SubElement(logging, name).text = value
        _switched_off(logging, "RetentionPolicy")
        for name in ("HourMetrics", "MinuteMetrics"):
            metrics = Xml.SubElement(root, name)
            Xml.SubElement(metrics, "Version").text = "1.0"
            Xml.SubElement(metrics, "Enabled").text = "false"
            _switched_off(metrics, "RetentionPolicy")
        Xml.SubElement(root, "Cors")
        _switched_off(root, "DeleteRetentionPolicy")
        _switched_off(root, "StaticWebsite")
        return _xml(200, root)

    @route("GET", r"/\?restype=&comp=list", "list_containers")
    def list_containers(self, request: Request, match: re.Match[str]) -> Response:
        """No containers."""
        root = Xml.Element("EnumerationResults", ServiceEndpoint=self._existing(request).blob_url)
        for name, parameter in (("Prefix", "prefix"), ("Marker", "marker"), ("MaxResults", "maxresults")):
            if parameter in request.query:
                Xml.SubElement(root, name).text = request.query[parameter]
        Xml.SubElement(root, "Containers")
        Xml.SubElement(root, "NextMarker")
        return _xml(200, root)

    def _place(self, request: Request) -> str:
        return f"{request.path}?restype={request.query.get('restype', '')}&comp={request.query.get('comp', '')}"

    # -- who may ------------------------------------------------------------------------------------------------

    def _admit(self, request: Request) -> None:
        account = self._existing(request)
        if self.name in account.closed:
            raise BlobError(403, "AuthorizationFailure", "This request is not authorized to perform this operation.")
        header = request.headers.get("authorization", "")
        if not header:
            raise BlobError(401)
        scheme, _, credential = header.partition(" ")
        if scheme == "Bearer":
            raise BlobError(401, "InvalidAuthenticationInfo", "The token is not accepted.")
        name, colon, signed = credential.strip().partition(":")
        if scheme != "SharedKey" or not colon:
            raise BlobError(400, "InvalidAuthenticationInfo", "The Authorization header has no known form.")
        if not account.admits_keys(self.name):
            message = "The account does not accept requests that are signed with its keys."
            raise BlobError(403, "KeyBasedAuthenticationNotPermitted", message)
        self._check_date(request)
        if name != account.name:
            raise BlobError(403, detail="The Authorization header names another account.")
        expected = (
            self.signature(key, account.name, request) for key in self.storage.usable(account, request.connection)
        )
        if not any(hmac.compare_digest(signed.encode(), own.encode()) for own in expected):
            raise BlobError(403, detail="The signature is none that a key of the account makes for this request.")

    def _check_date(self, request: Request) -> None:
        text = request.headers.get("x-ms-date") or request.headers.get("date") or ""
        try:
            made = parsedate_to_datetime(text).timestamp()
        except ValueError:
            raise BlobError(403, detail="The request has no valid date.") from None
        if self.skew_seconds is not None and abs(made - self.clock.now()) > self.skew_seconds:
            raise BlobError(403, detail=f"The request's date is too far from now: '{text}'.")

    def _account(self, host: str) -> StorageAccount | None:
        return next(
            (each for each in self.storage.accounts() if self.name in each.services and each.host(self.name) == host),
            None,
        )

    def _existing(self, request: Request) -> StorageAccount:
        account = self._account(request.host)
        if account is None:
            raise BlobError(404)  # deleted while a connection to it was open
        return account

    # -- the form of answers ------------------------------------------------------------------------------------

    def _error(self, request: Request, error: BlobError) -> Response:
        common = self._common_headers(request)
        root = Xml.Element("Error")
        Xml.SubElement(root, "Code").text = error.code
        quoted = quotation(request) if self.echoes_requests else ""
        Xml.SubElement(root, "Message").text = f"{error}{quoted}\nRequestId:{common['x-ms-request-id']}"
        if error.detail:
            Xml.SubElement(root, "AuthenticationErrorDetail").text = error.detail
        response = _xml(error.status, root)
        response.headers |= common | {"x-ms-error-code": error.code}
        if error.status == 401:
            authority = f"https://login.microsoftonline.com/{self.storage.arm.directory.tenant_id}/oauth2/authorize"
            response.headers["WWW-Authenticate"] = (
                f"Bearer authorization_uri={authority} resource_id=https://storage.azure.com"
            )
        return response

    def _common_headers(self, request: Request) -> dict[str, str]:
        names = ("x-ms-version", "x-ms-client-request-id")
        echoed = {name: request.headers[name] for name in names if name in request.headers}
        server = "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0"
        return {"Server": server, "x-ms-request-id": new_id()} | echoed


class Files(Blobs):
    """File shares: of what is here, their service answers for its properties alone."""

    name = "file"

    def handle(self, request: Request) -> Response:
        """Refuse what only blobs have."""
        if self.operation(request) != "get_service_properties":
            return self._error(request, BlobError(400))
        return super().handle(request)


class Queues(Files):
    """Queues: the same."""

    name = "queue"


def _switched_off(parent: Xml.Element, name: str) -> None:
    Xml.SubElement(Xml.SubElement(parent, name), "Enabled").text = "false"


def _xml(status: int, root: Xml.Element) -> Response:
    # The real service begins with a byte order mark.
    text = b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>' + Xml.tostring(root)
    return Response(status, text, {"Content-Type": "application/xml"})

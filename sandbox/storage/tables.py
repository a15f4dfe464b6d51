"""The tables of storage accounts: as blobs.py, but for how a request is signed, and how an error is told."""

from __future__ import annotations

from sandbox.proxy.echo import quotation
from sandbox.proxy.messages import Request, Response
from sandbox.storage.blobs import BlobError, Files
from sandbox.storage.signature import table_signature

METADATA = "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"


class Tables(Files):
    """Of what is here, their service answers for its properties alone."""

    name = "table"
    signature = staticmethod(table_signature)

    def _error(self, request: Request, error: BlobError) -> Response:
        response = super()._error(request, error)
        told = f"<m:code>{error.code}</m:code><m:message>{error}{quotation(request) if self.echoes_requests else ''}"
        response.body = f'<m:error xmlns:m="{METADATA}">{told}</m:message></m:error>'.encode()
        del response.headers["x-ms-error-code"]
        return response

"""A stand-in for Keeper, Entra, Microsoft Graph and Azure on loopback, for tests, the demo and users' own tools.

Never installed on a gateway host, and nothing there knows of it: a process reaches it by `HTTPS_PROXY`,
`REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE` and a Keeper configuration that names the sandbox's key.

    world.py       Sandbox: everything together; furnish.py sets up what an operator would
    server.py      the CONNECT proxy: connection.py is one socket, exchanges.py one request's way, faults.py what
                   can go wrong with it; service.py is the shape of everything below
    keeper.py      Keeper's wire protocol, on keeper_api.py, keeper_vault.py and keeper_crypto.py
    entra.py       sign-in; identity.py managed identity; tokens.py what both hand out
    graph.py       secrets, on graph_applications.py, graph_principals.py, graph_base.py and odata.py
    directory.py   the tenant that entra.py and graph.py stand on
    keyvault.py    Key Vault; arm.py Resource Manager, with automation.py, connections.py and storage.py; devops.py
    eventhub.py    an Event Hub, on librdkafka's mock cluster; mongodb.py a MongoDB server
    destinations.py  one of each, as an operator would have set them up; roles.py who may do what in Azure
"""

from sandbox.faults import (
    Empty,
    ErrorAfter,
    Fault,
    Hang,
    HangAfter,
    KillAfter,
    KillBefore,
    Kind,
    Malformed,
    Pause,
    PauseAfter,
    Refuse,
    ResetAfter,
    ResetBefore,
    Slow,
    Status,
    Truncated,
    rotated_key,
    throttled,
)
from sandbox.furnish import Furnished
from sandbox.world import Sandbox

__all__ = [
    "Empty",
    "ErrorAfter",
    "Fault",
    "Furnished",
    "Hang",
    "HangAfter",
    "KillAfter",
    "KillBefore",
    "Kind",
    "Malformed",
    "Pause",
    "PauseAfter",
    "Refuse",
    "ResetAfter",
    "ResetBefore",
    "Sandbox",
    "Slow",
    "Status",
    "Truncated",
    "rotated_key",
    "throttled",
]

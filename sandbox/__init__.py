"""A stand-in for Keeper, Entra, Microsoft Graph and Azure on loopback, for tests, the demo and users' own tools.

Never installed on a gateway host, and nothing there knows of it: a process reaches it by `HTTPS_PROXY`,
`REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE` and a Keeper configuration that names the sandbox's key.

    sandbox.py     Sandbox: world.py, which is all services together, and what furnish.py and others set up in it
    server.py      the CONNECT proxy: connection.py is one socket, exchanges.py one request's way, faults.py what
                   can go wrong with it; service.py is the shape of everything below: a service is made of parts
    keeper.py      Keeper's wire protocol, on keeper_api.py, keeper_vault.py and keeper_crypto.py
    entra.py       sign-in; identity.py managed identity; tokens.py what both hand out
    graph.py       made of graph_passwords.py, graph_applications.py and graph_principals.py, on graph_base.py
    directory.py   the tenant that entra.py and graph.py stand on
    keyvault.py    Key Vault, made of the files of this name; devops.py Azure DevOps, likewise
    arm.py         Resource Manager; its parts are arm_resources.py, keyvault_provider.py, automation.py,
                   connections.py and storage.py
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
from sandbox.sandbox import Sandbox

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

"""A stand-in for Keeper, Entra, Microsoft Graph and Azure on loopback, for tests, the demo and users' own tools.

Never installed on a gateway host, and nothing there knows of it: a process reaches it by `HTTPS_PROXY`,
`REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE` and a Keeper configuration that names the sandbox's key.

    sandbox.py     Sandbox: world.py, which is all services together, and what furnish/ sets up in it
    furnish/       what an operator would have set up: records, apps, key vaults, destinations
    proxy/         below everything: the CONNECT proxy, one request's way, faults, and the shape of a service
    keeper/        Keeper's wire protocol
    entra/         sign-in, managed identity and the tenant; graph/ the applications in it
    arm/           Resource Manager, with automation/, logic_apps/ and storage/; key_vault/; devops/
    event_hub/     an Event Hub, on librdkafka's mock cluster or a real broker; mongodb/ a MongoDB server
    commands/      ``python -m sandbox``: what a shell does with one
    demo/          ``make demo``: the main job, shown
"""

from sandbox.furnish.rotation import Furnished
from sandbox.proxy.faults import (
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

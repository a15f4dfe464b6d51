"""What `tests.stage.forked` imports once: the package, and what it loads only where a run needs it."""

import importlib
import pkgutil

import gateway

_LEFT_OUT = ("gateway.__main__", "gateway.listener")  # the listener brings a Kafka client, and is always a new process

for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
    if not module.name.startswith(_LEFT_OUT):
        importlib.import_module(module.name)
for name in (
    "azure.identity", "azure.keyvault.certificates", "azure.keyvault.secrets", "azure.storage.blob", "apprise",
    "cryptography.hazmat.primitives.serialization.pkcs12", "gateway.__main__", "msal", "pymongo",
):  # fmt: skip
    importlib.import_module(name)

"""What `tests.forked` imports once."""
# ruff: noqa: F401

import azure.keyvault.certificates
import azure.keyvault.secrets
import msal

import gateway.__main__
import gateway.commands.certificate
import gateway.commands.discover
import gateway.commands.tls_secret
import gateway.discovery.show
import gateway.operating.into_record
import gateway.operating.policies
import gateway.tls.changing
import gateway.tls.making

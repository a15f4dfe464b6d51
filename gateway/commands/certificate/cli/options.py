"""The options of the ``certificate`` commands that several of them take, or that are many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]

NO_VERSION = "it is the certificate as a whole that is meant here"


def options(*given: Command) -> Callable[[Command], Command]:
    """Several options of click as one decorator, in this order."""

    def add(command: Command) -> Command:
        for option in reversed(given):
            command = option(command)
        return command

    return add


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
named = click.argument("certificate_id", metavar="ID")
vaults = click.option("--vault", "vault", required=True, metavar="VAULT", help="Its name or address.")
csr_file = options(
    click.option("--csr-out", default="", metavar="FILE", help="Write the signing request there, as PEM."),
    click.option("--force", is_flag=True, help="Overwrite an existing file."),
)


MONTHS = click.IntRange(1, 1200)
policy_options = options(
    click.option("--subject", default="", metavar="NAME", help='The whole name: CN=…, O="Contoso, Ltd.", C=DE.'),
    click.option("--cn", default="", metavar="NAME", help="Common name, usually the domain; instead of --subject."),
    click.option(
        "--organisation", "--organization", "organisation", default="", metavar="NAME", help="O of the subject."
    ),
    click.option("--unit", default="", metavar="NAME", help="OU of the subject."),
    click.option("--locality", default="", metavar="CITY", help="L of the subject."),
    click.option("--state", default="", metavar="STATE", help="ST of the subject."),
    click.option("--country", default="", metavar="CODE", help="C of the subject, two letters."),
    click.option("--dns", multiple=True, metavar="NAMES", help="Subject alternative names; repeatable, or a,b,c."),
    click.option("--email", multiple=True, metavar="ADDRESSES", help="E-mail addresses as alternative names."),
    click.option("--upn", multiple=True, metavar="NAMES", help="User principal names as alternative names."),
    click.option(
        "--key-type", type=click.Choice(["RSA", "RSA-HSM", "EC", "EC-HSM"], case_sensitive=False), default=None,
        help="Key type. Default for a new certificate: RSA.",
    ),
    click.option("--key-size", type=click.Choice(["2048", "3072", "4096"]), default=None, help="Bits of an RSA key."),
    click.option(
        "--curve", type=click.Choice(["P-256", "P-384", "P-521", "P-256K"], case_sensitive=False), default=None,
        help="Curve of an EC key.",
    ),
    click.option(
        "--key-usage", multiple=True, metavar="NAMES",
        help="digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment, keyAgreement, keyCertSign, cRLSign, "
        "encipherOnly, decipherOnly. Key Vault decides which are critical.",
    ),
    click.option(
        "--extended-key-usage", multiple=True, metavar="NAMES",
        help="serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, OCSPSigning, or an OID. Key Vault "
        "decides which are critical.",
    ),
    click.option("--validity-months", type=MONTHS, default=None, help="Default for a new one: 12; from a CA: 6."),
    click.option("--issuer", default="", metavar="NAME", help="Self (default), Unknown, or an issuer of the vault."),
    click.option(
        "--lifetime-action", type=click.Choice(["auto-renew", "email"]), default=None,
        help="What Key Vault does near the end. Default: auto-renew; for the issuer Unknown: email.",
    ),
    click.option("--days-before", type=click.IntRange(min=1), default=None, help="When: days before the end."),
    click.option("--percentage", type=click.IntRange(1, 99), default=None, help="Or: percent of the validity."),
    click.option("--content-type", type=click.Choice(["pfx", "pem"]), default=None, help="Format of its secret."),
    click.option("--exportable/--not-exportable", default=None, help="Whether its private key may leave the vault."),
    click.option("--reuse-key/--new-key", default=None, help="Whether the next version keeps the key."),
)  # fmt: skip


def split_options(given: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """The options of `policy_options`, and those of the session that are left."""
    from dataclasses import fields

    from gateway.commands.certificate.policy_options import PolicyOptions

    names = {each.name for each in fields(PolicyOptions)}
    # click gives None for a choice that was not made.
    mine = {name: given[name] for name in names if given[name] is not None}
    return PolicyOptions(**mine), {name: value for name, value in given.items() if name not in names}

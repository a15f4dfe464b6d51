"""``docs/commands.md``: every command with an example, and its options, as the code has them.

``python -m tests.commands.reference`` writes the page anew; a test sees that it is up to date.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import click

from gateway.__main__ import cli
from tests.commands.test_outcomes import commands
from tests.stage.rotation import ROOT

PAGE = ROOT / "docs" / "commands.md"
# What one copies, and the page with the rest.
EXAMPLES: dict[str, tuple[str, str]] = {
    "bundle": ("bundle azure_app_secret", "single-file.md"),
    "certificate cancel": ("certificate cancel shop/orders-tls", "certificate-request.md"),
    "certificate contacts": ("certificate contacts --vault=shop --add=tls@example.com", "certificate-request.md"),
    "certificate delete": ("certificate delete shop/orders-tls --from-keeper", "certificate-renew.md"),
    "certificate issuers": ("certificate issuers --vault=shop", "certificate-request.md"),
    "certificate list": ("certificate list --vault=shop", "certificate-renew.md"),
    "certificate merge": ("certificate merge shop/orders-tls --chain=signed.pem", "certificate-request.md"),
    "certificate obtain": ("certificate obtain shop/orders-tls --form=pem --out=orders.pem", "certificate-obtain.md"),
    "certificate policy": ("certificate policy shop/orders-tls --validity-months=6", "certificate-request.md"),
    "certificate renew": ("certificate renew shop/orders-tls", "certificate-renew.md"),
    "certificate request": ("certificate request shop/new-tls --cn=shop.example.com", "certificate-request.md"),
    "certificate show": ("certificate show shop/orders-tls", "certificate-renew.md"),
    "certificate status": ("certificate status shop/orders-tls", "certificate-request.md"),
    "certificate vaults": ("certificate vaults", "key-vaults.md"),
    "check": ("check --all", "check.md"),
    "completion": ("completion bash", "install.md"),
    "digest": ("digest --expiring-within=30", "notifications.md"),
    "discover apps": ("discover apps --only='svc-*'", "discover.md"),
    "discover certificates": ("discover certificates --expiring-within=30", "discover.md"),
    "discover storage-accounts": ("discover storage-accounts", "discover.md"),
    "discover tls-secrets": ("discover tls-secrets --vault=shop", "discover.md"),
    "history": ("history UID", "history.md"),
    "init": ('init --kind=app --target=orders --folder="Azure Rotation" --batch=orders.batch', "init.md"),
    "listen": ("listen --config=/etc/keeper-rotation/listen.toml", "listen.md"),
    "notify test": ("notify test --record=UID", "notifications.md"),
    "plan": ("plan UID", "plan.md"),
    "run": ("run azure_app_secret --record=UID", "by-hand.md"),
    "run-due": ('run-due --folder="Azure Rotation"', "run-due.md"),
    "scripts": ("scripts --to=.", "install.md"),
    "status": ("status --only=trouble", "status.md"),
    "take-over": ("take-over https://shop.vault.azure.net/secrets/orders --record=UID", "deliver-key-vault.md"),
    "targets": ("targets --record=UID", "targets.md"),
    "tls-secret create": (
        'tls-secret create --vault=shop --name=web --pfx=web.pfx --folder="Azure Rotation"', "tls-secrets.md",
    ),
    "tls-secret delete": ("tls-secret delete --record=UID --from-keeper", "tls-secrets.md"),
    "tls-secret list": ("tls-secret list --vault=shop", "tls-secrets.md"),
    "tls-secret obtain": ("tls-secret obtain shop/web --form=pem --out=web.pem", "tls-secrets.md"),
    "tls-secret rediscover": ("tls-secret rediscover shop/web", "tls-secrets.md"),
    "tls-secret show": ("tls-secret show shop/web", "tls-secrets.md"),
    "tls-secret update": ("tls-secret update shop/web --expires=none", "tls-secrets.md"),
    "version": ("version", "install.md"),
}  # fmt: skip
_HEAD = """# All commands

Made from the code, so it says what `keeper-rotation COMMAND --help` does. Each name leads to the page that explains it.
"""


# What so many commands share is shown once.
_OFTEN = 4
_COMMON = "Options of many commands"


def page() -> str:
    """The page, as it is to be."""
    found = dict(sorted(commands(cli)))
    rows = [f"| [`{name}`]({_page(name)}) | {_plain(_summary(command))} |" for name, command in found.items()]
    times = Counter(row for name, command in found.items() for row in _rows(name, command))
    often = [(row, count) for row, count in times.most_common() if count >= _OFTEN]
    common = [*{_name(row): row for row, _ in reversed(often)}.values()][::-1]
    parts = [_HEAD, "\n".join(["| command | |", "|---|---|", *rows])]
    parts += ["\n".join([f"\n## {_COMMON}\n", "| option | |", "|---|---|", *common])]
    return "\n".join([*parts, *("\n".join(_lines(name, command, common)) for name, command in found.items())]) + "\n"


def _rows(name: str, command: click.Command) -> list[str]:
    with click.Context(command, info_name=f"keeper-rotation {name}") as context:
        return [_row(each, context) for each in command.params if isinstance(each, click.Option)]


def _lines(name: str, command: click.Command, common: list[str]) -> Iterator[str]:
    with click.Context(command, info_name=f"keeper-rotation {name}") as context:
        arguments = [each for each in command.params if isinstance(each, click.Argument)]
        yield f"\n## {name}\n\n```\nkeeper-rotation {EXAMPLES[name][0]}\n```\n"
        yield " ".join(
            filter(None, [_plain(_summary(command)), *(f"`{each.make_metavar(context)}`" for each in arguments)])
        )
    rows = _rows(name, command)
    if own := [each for each in rows if each not in common]:
        yield "\n| option | |\n|---|---|"
        yield from own
    if shared := [_name(each) for each in rows if each in common]:
        yield f"\n{'Also' if own else 'Options:'} {', '.join(f'`{name}`' for name in shared)}."


def _row(option: click.Option, context: click.Context) -> str:
    value = "" if option.is_flag else f"={option.make_metavar(context)}"
    names = ", ".join(f"`{name}{value}`" for name in (*option.opts, *option.secondary_opts))
    return f"| {_plain(names)} | {_plain(option.help or '')}{' Required.' if option.required else ''} |"


def _name(row: str) -> str:
    return re.findall(r"`(--[\w-]+)", row)[0]


def _summary(command: click.Command) -> str:
    return command.short_help or command.get_short_help_str(200)


def _page(name: str) -> str:
    return EXAMPLES[name][1]


def _plain(text: str) -> str:
    """In a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""``keeper-rotation tls-secret``: secrets of key vaults that are a certificate with its key."""

from __future__ import annotations

from typing import Any

import click

from gateway.commands.credential import session_options
from gateway.commands.shared.interrupt import changing

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
stdin_option = click.option("--password-stdin", is_flag=True, help="The PFX's password is the first line of stdin.")
vaults_option = click.option(
    "--vault", "vaults", multiple=True, metavar="NAME|URL", help="A key vault; repeatable. Default: all visible ones."
)

VERSIONS = "look with keeper-rotation tls-secret list --previous-versions before you run this again"


@click.group("tls-secret", short_help="Manage TLS secrets of Azure Key Vault.")
def tls_secret() -> None:
    """Secrets of key vaults that are a certificate with its key, and the records that show them.

    ID is https://<vault>.vault.azure.net/secrets/<name>, with a version behind it where that matters, VAULT/NAME, its
    page in the portal, or its bare name, where one vault alone has it.
    """


@tls_secret.command("list", short_help="List TLS secrets, and the records that show them.")
@vaults_option
@click.option("--previous-versions", is_flag=True, help="List every version, not only the current.")
@click.option("--add-certificates", is_flag=True, help="Make the missing records, in --folder.")
@click.option("--folder", metavar="FOLDER", help="The shared folder of new records (uid or name).")
@click.option("--only", multiple=True, metavar="PATTERN", help="Only matching names, such as 'prod-*'; repeatable.")
@click.option(
    "--expiring-within", type=int, metavar="DAYS", help="Only what expires within so many days, or has expired."
)
@json_option
@session_options
@changing("look into the folder before you run this again")
def list_secrets(
    vaults: tuple[str, ...], previous_versions: bool, add_certificates: bool, as_json: bool, **options: Any
) -> None:
    """List them, and the records that show them; no value is read.

    With --add-certificates, what belongs to a certificate gets a record of that certificate, and any other one a
    record of the secret.
    """
    from gateway.commands.discover.show import STDOUT, Options, show

    def find(look: Any) -> Any:
        return look.tls_secrets(look.key_vaults(vaults), versions=previous_versions)

    options |= {"json_file": STDOUT if as_json else None, "create_option": "--add-certificates"}
    show(find, Options(create=add_certificates, previous_versions=previous_versions, **options))


@tls_secret.command("show", short_help="Show a secret, its versions and records.")
@click.argument("secret", metavar="ID")
@json_option
@session_options
def show_secret(secret: str, as_json: bool, **options: Any) -> None:
    """Show one secret, or one version: what its certificate says, its dates, versions and tags, and its records."""
    from gateway.commands.shared import output
    from gateway.commands.tls_secret.show import show

    output.show(show(*_open_secret(secret, options)), as_json=as_json)


@tls_secret.command(short_help="Set a secret from a PFX file.")
@click.option("--vault", required=True, metavar="NAME|URL", help="The key vault.")
@click.option("--name", required=True, help="The secret's name.")
@click.option(
    "--pfx", required=True, type=click.Path(exists=True, dir_okay=False), help="The certificate with its key."
)
@stdin_option
@click.option("--activates", metavar="DATE", help="Not valid before this date.")
@click.option("--expires", metavar="DATE", help="Not valid after this date. Default: the certificate's end.")
@click.option("--disabled", is_flag=True, help="Create it disabled.")
@click.option("--new-version", is_flag=True, help="Give an existing secret a new version.")
@click.option("--record", default="", metavar="UID", help="Let this record show it.")
@click.option("--folder", default="", metavar="FOLDER", help="Make a record that shows it, in this shared folder.")
@json_option
@session_options
@changing(VERSIONS)
def create(
    vault: str, name: str, pfx: str, password_stdin: bool, record: str, folder: str, as_json: bool, **options: Any
) -> None:
    """Set a secret from a PFX file, which is checked first: password, key, dates, size and name."""
    from gateway.commands.shared import inputs, output
    from gateway.commands.tls_secret.change import read_moment
    from gateway.commands.tls_secret.create import NewTlsSecret, ask_password, check, read_file
    from gateway.commands.tls_secret.create import create as set_secret
    from gateway.errors import Failed
    from gateway.model.credential import stamp

    if record and folder:
        raise Failed("both --record and --folder", "give one of them")
    activates, expires = (read_moment(options.pop(each), f"--{each}") for each in ("activates", "expires"))
    enabled, again = not options.pop("disabled"), options.pop("new_version")
    url, now = _key_vault(vault, options["cloud"]), _now()
    content = inputs.read(pfx)
    bundle = read_file(content, lambda: ask_password(from_stdin=password_stdin), asked=password_stdin)
    wanted = NewTlsSecret(name, activates, expires, enabled, again, record, folder)  # type: ignore[arg-type]
    check(bundle, wanted, now)
    session = _open(options)
    if folder:
        wanted = NewTlsSecret(**{**vars(wanted), "folder": session.folder_uid(folder)})
    made, uid = set_secret(session, url, bundle, wanted)
    said = {
        "secret": str(made.secret_id),
        "expires": stamp(made.expires),
        "enabled": made.enabled,
        "record": uid,
    }
    output.show(said, as_json=as_json)


@tls_secret.command(short_help="Change dates, or enable and disable.")
@click.argument("secret", metavar="ID")
@click.option("--activates", metavar="DATE|none", help="Not valid before this date.")
@click.option("--expires", metavar="DATE|none", help="Not valid after this date.")
@click.option("--enable/--disable", "enabled", default=None, help="Enable or disable it.")
@json_option
@session_options
@changing(VERSIONS)
def update(
    secret: str, activates: str | None, expires: str | None, enabled: bool | None, as_json: bool, **options: Any
) -> None:
    """Change the dates of a secret, and whether it is enabled: of the version named, or of the current one."""
    from gateway.commands.shared import output
    from gateway.commands.tls_secret.change import read_moment
    from gateway.commands.tls_secret.change import update as change
    from gateway.errors import Failed

    starts = read_moment(activates, "--activates", may_be_none=True)
    ends = read_moment(expires, "--expires", may_be_none=True)
    if starts is None and ends is None and enabled is None:
        raise Failed("nothing to change", "give --activates, --expires, --enable or --disable")
    session, secret_id = _open_secret(secret, options)
    shown = change(session, secret_id, starts, ends, enabled)
    said = {name: _stamp_of(shown.get(key)) for name, key in (("activates", "nbf"), ("expires", "exp"))}
    output.show({"secret": str(secret_id), "enabled": bool(shown.get("enabled")), **said}, as_json=as_json)


@tls_secret.command(short_help="Update records from the vault.")
@click.argument("secret", metavar="[ID]", required=False, default="")
@click.option("--record", default="", metavar="UID", help="Only this record.")
@json_option
@session_options
@changing("look at the records in the vault; running it again does no harm")
def rediscover(secret: str, record: str, as_json: bool, **options: Any) -> None:
    """Bring records up to date with the vault's current version, their attachment too where they have one."""
    from gateway.commands.shared import output
    from gateway.commands.tls_secret.change import rediscover as follow_current
    from gateway.errors import Failed

    if not (secret or record):
        raise Failed("neither ID nor --record", "name a secret, or a record that shows one")
    session, secret_id = _open_secret(secret, options) if secret else (_open(options), None)
    done, problem = follow_current(session, secret_id, record)
    columns = {"record": "RECORD", "result": "RESULT", "secret": "SECRET"}
    output.show_table(done, columns, as_json=as_json, none="")
    if problem:
        raise problem


@tls_secret.command(short_help="Write a secret to a file, or attach it to a record.")
@click.argument("secret", metavar="ID")
@click.option("--out", default="", metavar="FILE", help="Write it to this file, readable by its owner only.")
@click.option("--form", type=click.Choice(["pfx", "pem", "cer"]), default="pfx", help="cer: without the key.")
@stdin_option
@click.option("--record", default="", metavar="UID", help="Attach it to this record instead.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@json_option
@session_options
@changing("look at the record in the vault; running it again does no harm")
def obtain(
    secret: str, out: str, form: str, password_stdin: bool, record: str, force: bool, as_json: bool, **options: Any
) -> None:
    """Write a secret's certificate to a file, or attach it to a record.

    A PFX in a file gets the password that is asked for; one that is attached gets one of its own, in the record.
    """
    from gateway.commands.shared import inputs, output
    from gateway.commands.shared.private_file import check_path, write_private
    from gateway.commands.tls_secret.change import content, to_record
    from gateway.errors import Failed
    from gateway.secret import Secret

    if bool(out) == bool(record):
        raise Failed("it goes to a file or to a record", "give --out FILE or --record UID")
    if record:
        if form == "cer":
            raise Failed("--form cer is not for a record", "leave it out, or write --form pem")
        output.show(to_record(*_open_secret(secret, options), record, form), as_json=as_json)
        return
    check_path(out, force=force)
    password = inputs.new_password(from_stdin=password_stdin) if form == "pfx" else Secret("")
    found, text = content(*_open_secret(secret, options), form, password)
    write_private(out, text, force=force)
    output.show({"secret": str(found.secret_id), "file": out}, as_json=as_json)


@tls_secret.command()
@click.option("--record", "records", multiple=True, required=True, metavar="UID", help="The record; repeatable.")
@click.option("--from-keeper", is_flag=True, help="Required: confirms that only the record is deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@session_options
@changing("look for the records in the vault, and in its deleted items")
def delete(records: tuple[str, ...], from_keeper: bool, yes: bool, **options: Any) -> None:
    """Delete records of TLS secrets. The secrets stay in their key vaults: delete them in the portal."""
    from gateway.commands.shared.facts import TARGET
    from gateway.commands.shared.inputs import confirm_deletion
    from gateway.commands.shared.keeper_changes import delete as end
    from gateway.commands.tls_secret.change import check_deletable
    from gateway.errors import Failed
    from gateway.host.shown import shown

    if not from_keeper:
        raise Failed("only records are deleted here", "add --from-keeper; a secret is deleted in the portal")
    session = _open(options)
    found = [check_deletable(session, uid) for uid in dict.fromkeys(records)]
    if not yes:
        listed = [f"{record.uid}  {record.title}  {record.value(TARGET)}" for record in found]
        confirm_deletion(listed, session.deadline)
    for record in end(session, found):
        click.echo(shown(f"deleted {record.uid}; the vault keeps {record.value(TARGET)}"))


def _open(options: dict[str, Any]) -> Any:
    from gateway.commands.shared.session import open_session

    return open_session(options["credential_uid"], options["configuration_uid"], options["cloud"])


def _key_vault(text: str, cloud: str) -> str:
    from gateway.commands.shared.names import read_key_vault

    return read_key_vault(text, cloud)


def _open_secret(text: str, options: dict[str, Any]) -> tuple[Any, Any]:
    from gateway.commands.shared.find_by_name import open_secret

    return open_secret(text, options)


def _now() -> Any:
    from datetime import UTC, datetime

    return datetime.now(UTC)


def _stamp_of(seconds: Any) -> str:
    from datetime import UTC, datetime

    from gateway.model.credential import stamp

    return stamp(None if seconds is None else datetime.fromtimestamp(int(seconds), UTC))

"""``certificate obtain``: one version or all of them, into files or into the Keeper record."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.azure.key_vault.certificate_answers import Version
from gateway.azure.key_vault.certificate_changes import OperatorCertificates, not_there
from gateway.azure.key_vault.ids import CertificateId
from gateway.commands.shared.output import warn
from gateway.commands.shared.private_file import check_path, write_private
from gateway.commands.shared.progress import progress
from gateway.errors import CallError, Failed, Incomplete, Refused, RotationError
from gateway.model import x509
from gateway.secret import Secret

if TYPE_CHECKING:
    from gateway.commands.shared.session import Session

_ENDINGS = {"pfx": "pfx", "pem": "pem", "cer": "cer", "chain": "chain.pem"}


@dataclass(frozen=True)
class FileOptions:
    """Where to: a file for one version, a folder for the history. ``password`` of a PFX."""

    out: str
    form: str
    password: Secret
    history: bool
    force: bool

    def path(self, certificate_id: CertificateId, version: str) -> str:
        """Of the file for a version."""
        if self.history or Path(self.out).is_dir():
            return str(Path(self.out) / f"{certificate_id.name}-{version}.{_ENDINGS[self.form]}")
        return self.out


def chosen(vault: OperatorCertificates, certificate_id: CertificateId, *, history: bool) -> list[Version]:
    """All versions, oldest first; or the one that is named, or the current one.

    Raises:
        Failed: there is none.
        CallError
    """
    if history:
        if versions := vault.versions(certificate_id.name):
            return versions
        raise not_there(vault.url, certificate_id.name)
    version, certificate = vault.whole(certificate_id.name, certificate_id.version)
    if certificate is None:
        raise Failed(
            f"{certificate_id.name} has no version yet",
            f"look with keeper-rotation certificate status {certificate_id}",
        )
    return [version]


def to_files(session: Session, certificate_id: CertificateId, options: FileOptions) -> list[dict[str, Any]]:
    """Write them; what was written.

    Raises:
        Failed: nothing was written.
        Incomplete: some versions could not be read, and the others were written.
        CallError
    """
    vault = OperatorCertificates(session.http, session.azure, certificate_id.vault_url)
    versions = chosen(vault, certificate_id, history=options.history)
    paths = {each.version: options.path(certificate_id, each.version) for each in versions}
    if options.history:
        _check_folder(options.out)
    if not options.history or Path(options.out).is_dir():
        for path in paths.values():
            check_path(path, force=options.force)

    def write(version: Version) -> dict[str, Any]:
        content = _content(vault, version, options)
        if options.history:
            os.makedirs(options.out, mode=0o700, exist_ok=True)
        write_private(paths[version.version], content, force=options.force)
        return {"version": version.version, "file": paths[version.version]}

    return each_version(session, versions, write)


def each_version(
    session: Session, versions: list[Version], obtain: Callable[[Version], dict[str, Any]]
) -> list[dict[str, Any]]:
    """``obtain`` for each; where one of several cannot be read, the others are obtained all the same.

    Raises:
        RotationError, CallError: the only one could not be obtained.
        Failed: none could.
        Incomplete: some could not.
    """
    done: list[dict[str, Any]] = []
    problems: list[RotationError | CallError] = []
    with progress(lambda: f"obtained {len(done)} of {len(versions)} versions"):
        for version in versions:
            if reason := session.deadline.over():
                warn(f"version {version.version} and those after it: {reason}")
                break
            try:
                done.append(obtain(version))
            except (RotationError, CallError) as error:
                problems.append(_explained(error))
                if len(versions) == 1:
                    raise problems[0] from None
                warn(f"version {version.version}: {problems[-1]}; {problems[-1].hint}")
    if len(done) == len(versions):
        return done
    changed = done or any(isinstance(each, RotationError) and not isinstance(each, Failed) for each in problems)
    what = f"{len(versions) - len(done)} of {len(versions)} versions could not be obtained"
    raise (Incomplete if changed else Failed)(what, "see the warnings")


def _explained(error: RotationError | CallError) -> RotationError | CallError:
    if isinstance(error, Refused) and error.code == "SecretDisabled":
        return Failed("the version is disabled, and its private key is not given out", "enable it, or take --form cer")
    return error


def _check_folder(out: str) -> None:
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise Failed(f"{out} is a file, and the history is many", "name a folder")
    if not folder.exists() and not folder.absolute().parent.is_dir():
        raise Failed(f"there is no folder {folder.parent}", "name a folder whose parent is there")


def _content(vault: OperatorCertificates, version: Version, options: FileOptions) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    if options.form == "cer":
        return vault.certificate(version.name, version.version).public_bytes(Encoding.DER)
    if options.form == "chain":
        chain = vault.chain(version.name, version.version)
        return b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    bundle = vault.bundle(version.name, version.version)
    if options.form == "pem":
        return x509.to_pem(bundle)
    return x509.to_pfx(bundle, version.name, options.password.reveal())

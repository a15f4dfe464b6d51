"""A certificate whose signing request somebody else signs: a CA that lives for a moment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.azure.key_vault.certificates import KeyVaultCertificates
from tests.live.answers import Answers
from tests.live.ground import Ground
from tests.live.scripts import command, problem

_PAUSE = 0.5


def sign_elsewhere(ground: Ground, answers: Answers) -> None:
    """A signing request, merged, cancelled, and asked for again."""
    if not ground.given.key_vault:
        return answers.skip("A6", "LIVE_KEY_VAULT was not given")
    name, signed_in = ground.name("merged"), ground.sign_in()
    address = f"{ground.vault_url}/certificates/{name}"
    with TemporaryDirectory() as folder:  # what is in it is public
        request, chain = Path(folder, "request.pem"), Path(folder, "chain.pem")
        wanted = ("--dns=live.example.com", "--issuer=Unknown", f"--csr-out={request}", "--force", *signed_in)
        code, said = command("certificate", "request", address, *wanted)
        if not request.exists():
            return answers.skip("A6", problem(code, said))
        chain.write_bytes(_signed(ground, request.read_bytes()))
        code, said = command("certificate", "merge", address, f"--chain={chain}", *signed_in)
        if code:
            return answers.settle("A6", f"merge: {problem(code, said)}", ok=False)
        seconds = _shown_after(ground, name)
        answers.facts["merged certificate shown after"] = seconds
        again = [command("certificate", verb, address, *more)[0] for verb, more in _then(wanted, signed_in)]
    text = f"a merged version is shown {seconds:.1f} s later; asked for again, cancelled, and again: exit {again}"
    answers.settle("A6", text, ok=again == [2, 0, 2])


def _then(wanted: tuple[str, ...], signed_in: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("request", wanted), ("cancel", signed_in), ("request", wanted)


def _shown_after(ground: Ground, name: str) -> float:
    began = monotonic()
    vault = KeyVaultCertificates(ground.http, ground.azure(), ground.vault_url)
    while not vault.versions(name) and monotonic() - began < ground.given.seconds:
        sleep(_PAUSE)
    return round(monotonic() - began, 1)


def _signed(ground: Ground, pem: bytes) -> bytes:
    """The certificate for this request, and the CA's own."""
    request, key, now = x509.load_pem_x509_csr(pem), ec.generate_private_key(ec.SECP256R1()), ground.http.now()
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ground.name("ca"))])

    def begun(subject: x509.Name) -> x509.CertificateBuilder:
        ends = now + timedelta(days=30)
        made = x509.CertificateBuilder().issuer_name(issuer).serial_number(x509.random_serial_number())
        return made.subject_name(subject).not_valid_before(now - timedelta(hours=1)).not_valid_after(ends)

    leaf = begun(request.subject).public_key(request.public_key())
    for extension in request.extensions:
        leaf = leaf.add_extension(extension.value, extension.critical)
    own = begun(issuer).public_key(key.public_key())
    own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return b"".join(each.sign(key, SHA256()).public_bytes(Encoding.PEM) for each in (leaf, own))

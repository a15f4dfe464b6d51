"""The subject of a certificate as a record or an operator writes it: what is read, and that reading it always ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.model.certificate_policy import LONGEST_SUBJECT, PolicyChange, read_policy_change, read_subject
from gateway.model.subjects import merged
from tests.stage.rotation import ROOT

# As it is written, and as Key Vault takes it.
READ = {
    "one part": ("CN=orders.example.com", "CN=orders.example.com"),
    "several, without blanks": ("CN=a,OU=b,O=c,C=DE", "CN=a, OU=b, O=c, C=DE"),
    "blanks wherever they may be": ("  CN =  a b ,  O= c  ", "CN=a b, O=c"),
    "quotes around a comma": ('CN=a, O="Contoso, Ltd."', 'CN=a, O="Contoso, Ltd."'),
    "quotes that are needed nowhere": ('CN="a", O=c', 'CN="a", O=c'),
    "quotes within quotes": ('O="Contoso ""the"" Ltd.", CN=a', 'O="Contoso ""the"" Ltd.", CN=a'),
    "nothing but quotes within quotes": ('O="""", CN=a', 'O="""", CN=a'),
    "quotes with blanks before and after": ('CN=a, O= "b, c"  ', 'CN=a, O="b, c"'),
    "backslashes": (r"CN=a,O=Contoso\, Ltd.,C=DE", 'CN=a, O="Contoso, Ltd.", C=DE'),
    "a backslash before a quote": (r"CN=a\"b", 'CN="a""b"'),
    "a backslash before a backslash": (r"CN=a\\", "CN=a\\"),
    "signs that need quotes": (r"CN=a\+OU=b, O=c;d<e>#", 'CN="a+OU=b", O="c;d<e>#"'),
    "an OID": ("2.5.4.97=X, CN=a", "2.5.4.97=X, CN=a"),
    "small letters": ("cn=a, e=me@x.example", "cn=a, e=me@x.example"),
    "a state as Windows writes it": ("CN=a, S=WA", "CN=a, ST=WA"),
    "an address of e-mail by its number": ("CN=a, 1.2.840.113549.1.9.1=me@x.example", "CN=a, E=me@x.example"),
    "a line break between the parts": ("CN=a,\r\n  O=c\n", "CN=a, O=c"),
    "other letters": ("CN=bücher.example, O=Grüße", "CN=bücher.example, O=Grüße"),
    "a part of blanks": ("CN= , O=c", "CN=, O=c"),
    "as long as it may be": ("OU=" + "a" * (LONGEST_SUBJECT - 3), "OU=" + "a" * (LONGEST_SUBJECT - 3)),
}
NO_NAMES = (
    "", " ", "orders.example.com", "CN", "CN=", "CN=, O=c", "=a", "CN=a,", ",CN=a", "CN=a,,O=c", "CN=a, b", 'CN="a',
    'CN=a"', 'CN="a"b', 'CN=""', 'CN="a" "b"', "CN=a\\", "2=a", "2.5.=a", "C N=a", "CN=a\\\nb", 'CN=a" , O=c',
)  # fmt: skip


@pytest.mark.parametrize("what", READ)
def test_it_is_read(what: str) -> None:
    written, read = READ[what]
    assert read_subject(written) == read


@pytest.mark.parametrize("text", NO_NAMES)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no name such as CN="):
        read_subject(text)


def test_one_that_is_too_long_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match=r"^1,001 characters long; at most 1,000 are allowed$"):
        read_subject("CN=" + "a" * 998)


@pytest.mark.parametrize("text, message", [
    ("CN=a+OU=b", r"'a\+OU=b' has a plus sign: put the value in quotes"),
    ("CN=" + "a" * 65, "the CN is 65 characters long; at most 64 are allowed"),
])  # fmt: skip
def test_what_would_become_another_name_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_subject(text)


# What the policy has, the parts that are wanted, and the subject then.
MERGED = {
    "another state": ("CN=a, S=WA", {"ST": "OR"}, "CN=a, ST=OR"),
    "the same state": ("CN=a, S=WA", {"ST": "WA"}, ""),
    "an empty part in the policy": ('CN=a, O=, L="", C=DE', {"CN": "b"}, "CN=b, C=DE"),
    "a name in the policy that is too long": ("CN=" + "a" * 65, {"CN": "b"}, "CN=b"),
}


@pytest.mark.parametrize("what", MERGED)
def test_parts_are_put_into_the_subject_of_a_policy(what: str) -> None:
    there, parts, expected = MERGED[what]
    problems: list[str] = []
    assert merged(parts, there, problems) == expected and not problems


# Each is long enough that a reader which goes back over what it has read does not end in a year.
LONG = 300_000
HOSTILE = {
    "blanks before a quote": "'CN=' + ' ' * n + '\"'",
    "blanks after a value": "'CN=a' + ' ' * n + '!\"'",
    "blanks after quotes": "'CN=\"a\"' + ' ' * n + 'b'",
    "blanks before the equals sign": "'CN' + ' ' * n",
    "blanks before a sign": "' ' * n + '!'",
    "blanks alone": "' ' * n",
    "line breaks and blanks": "'CN=a\\r\\n' + ' \\n' * n + '\"'",
    "quotes that do not end": "'CN=\"' + 'a' * n",
    "quotes within quotes that do not end": "'CN=\"' + '\"\"' * n",
    "backslashes": "'CN=' + '\\\\' * n + '\"'",
    "letters": "'A' * n",
    "digits": "'1' * n",
    "an OID without an end": "'1.1' * n",
    "an OID with blanks": "'1.' + '11.11' * n + ' ' * n",
    "parts and a quote": "'CN=a,' * n + '\"'",
    "parts with blanks and a quote": "('CN= ' + ' ' * 99 + 'a' + ' ' * 99 + ' , ') * (n // 200) + '\"'",
    "quoted parts and a quote": "'CN=\"a\",' * n + '\"'",
}
READ_HOSTILE = """
import resource, sys
from gateway.model import certificate_policy
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
certificate_policy.LONGEST_SUBJECT = 10**9
n = {n}
try:
    certificate_policy.read_subject({text})
except ValueError:
    print("refused")
"""


@pytest.mark.parametrize("what", HOSTILE)
def test_reading_it_takes_work_in_proportion_to_its_length(what: str) -> None:
    code = READ_HOSTILE.format(text=HOSTILE[what], n=LONG)
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (0, "refused\n"), process


def test_what_the_record_shows_is_no_wish_even_where_it_could_not_be_written() -> None:
    """The record shows the subject of a certificate that was imported."""
    shown = {"subject": "CN=" + "a" * 70 + "+OU=b"}
    assert read_policy_change(lambda label: shown.get(label, ""), lambda: shown["subject"]) == PolicyChange()

"""Whose certificate authorities are trusted: certifi's, a file's, or those of the operating system."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.stage.hooks import URL, Hooks
from tests.stage.rotation import Outcome, Stage

NOBODYS = {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}
"""besides these, the stand-in's authority is the system's one: OpenSSL takes it from SSL_CERT_FILE"""


def test_certifi_is_what_is_trusted_by_itself(stage: Stage) -> None:
    outcome = stage.run(**NOBODYS)
    assert outcome.code == 1 and "TLS certificate not trusted" in outcome.report["error"], outcome
    assert "ROTATION_CA=system" in outcome.report["hint"]


@pytest.mark.parametrize("given", ["system", " System "])
def test_the_systems_authorities(given: str, stage: Stage) -> None:
    """Keeper's SDK, Microsoft's clients and our own requests alike."""
    stage.deliver()
    outcome = stage.run(ROTATION_CA=given, **NOBODYS)
    assert outcome.code == 0 and not stage.undelivered(), outcome


def test_notifications_go_by_them_too() -> None:
    hooks = Hooks()
    with Stage(services=[hooks], settings={"notify": URL, "notify_on": "all"}) as stage:
        outcome = stage.run(ROTATION_CA="system", **NOBODYS)
        assert outcome.code == 0 and len(hooks.received) == 1 and not outcome.report["warnings"], outcome


def test_a_file_that_is_named_is_trusted_besides(stage: Stage) -> None:
    outcome = stage.run(ROTATION_CA="system", SSL_CERT_FILE="/etc/hostname")
    assert outcome.code == 0, outcome


def test_the_system_alone_trusts_nothing_of_certifi(stage: Stage) -> None:
    """The stand-in's authority is put into certifi's place, and is not the system's."""
    program = (
        "import certifi, requests, sys\n"
        "requests.adapters.DEFAULT_CA_BUNDLE_PATH = sys.argv[1]\n"
        "from gateway.host.sessions import session\n"
        "session().get('https://keepersecurity.com/', timeout=5)\n"
    )
    bundle = stage.variables["REQUESTS_CA_BUNDLE"]
    bare = {name: value for name, value in stage.variables.items() if name not in ("SSL_CERT_FILE", *NOBODYS)}
    bare |= {"PYTHONPATH": os.getcwd()}

    def trusts(**variables: str) -> bool:
        command = [sys.executable, "-c", program, bundle]
        said = subprocess.run(command, env=bare | variables, capture_output=True, text=True, check=False)
        assert said.returncode == 0 or "CERTIFICATE_VERIFY_FAILED" in said.stderr, said.stderr
        return said.returncode == 0

    assert (trusts(), trusts(ROTATION_CA="system")) == (True, False)


@pytest.mark.parametrize("ca", ["certifi", "system"])
def test_a_host_that_hangs_while_a_connection_is_opened_holds_up_no_other(ca: str, stage: Stage) -> None:
    """truststore keeps its context to itself for so long."""
    program = (
        "import socket, time\n"
        "from gateway.host.deadline import Deadline\n"
        "from gateway.host.http import Http\n"
        "hangs = socket.create_server(('127.0.0.1', 0))\n"
        "http = Http(10.0, Deadline(60.0, 1.0))\n"
        "http.open(f'https://localhost:{hangs.getsockname()[1]}/')\n"
        "accepted, _ = hangs.accept()\n"
        "accepted.recv(1, socket.MSG_PEEK)\n"
        "began = time.monotonic()\n"
        "http.raw('it', 'GET', 'https://keepersecurity.com/')\n"
        "print(time.monotonic() - began)\n"
    )
    variables = stage.variables | {"PYTHONPATH": os.getcwd(), "NO_PROXY": "localhost", "ROTATION_CA": ca}
    said = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True)
    assert float(said.stdout) < 5


@pytest.mark.parametrize("ca", ["certifi", "system"])
def test_a_proxy_that_hangs_while_a_connection_is_opened_holds_up_no_other_connection(ca: str, stage: Stage) -> None:
    """Behind one address there may be several: the next one, which breaks off at once, is heard at once."""
    program = (
        "import os, socket, threading, time\n"
        "from gateway.host.deadline import Deadline\n"
        "from gateway.host.http import Http\n"
        "from gateway.errors import CallError\n"
        "proxy = socket.create_server(('127.0.0.1', 0))\n"
        "os.environ['HTTPS_PROXY'] = f'https://localhost:{proxy.getsockname()[1]}'\n"
        "http = Http(10.0, Deadline(60.0, 1.0))\n"
        "http.open('https://hangs.example/')\n"
        "accepted, _ = proxy.accept()\n"
        "accepted.recv(1, socket.MSG_PEEK)\n"
        "threading.Thread(target=lambda: proxy.accept()[0].close(), daemon=True).start()\n"
        "began = time.monotonic()\n"
        "try:\n"
        "    http.raw('it', 'GET', 'https://other.example/')\n"
        "except CallError:\n"
        "    print(time.monotonic() - began)\n"
    )
    variables = {key: value for key, value in stage.variables.items() if "PROXY" not in key.upper()}
    variables |= {"PYTHONPATH": os.getcwd(), "ROTATION_CA": ca}
    said = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, check=True)
    assert float(said.stdout) < 5


def refused(stage: Stage, **variables: str) -> Outcome:
    outcome = stage.run(**variables)
    assert outcome.code == 1 and not stage.sandbox.operations(), outcome
    return outcome


def test_another_word_is_refused(stage: Stage) -> None:
    assert "ROTATION_CA='os' is neither certifi nor system" in refused(stage, ROTATION_CA="os").report["error"]


def test_a_host_without_the_package(stage: Stage) -> None:
    hides = stage.folder / "hides"
    hides.mkdir()
    (hides / "sitecustomize.py").write_text(
        "import sys, importlib.abc\n"
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'truststore' else find(name, *more)\n"
    )
    outcome = refused(stage, ROTATION_CA="system", PYTHONPATH=f"{hides}:{os.getcwd()}")
    assert "needs the package truststore" in outcome.report["error"]

"""Each script in a new process, as the Gateway starts it; elsewhere runs are forked from a warm one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kinds import test_mongodb_user, test_publish_password, test_storage_key
from tests.stage.certificate import SCRIPT as CERTIFICATE
from tests.stage.certificate import CertificateStage
from tests.stage.rotation import SCRIPT, Stage

STAGES: dict[Path, Callable[[], Stage]] = {
    SCRIPT: Stage,
    CERTIFICATE: CertificateStage,
    test_storage_key.SCRIPT: test_storage_key.StorageStage,
    test_mongodb_user.SCRIPT: test_mongodb_user.MongoStage,
    test_publish_password.SCRIPT: test_publish_password.PasswordStage,
}


@pytest.mark.parametrize("script", STAGES, ids=lambda path: path.name)
def test_a_script_does_all_it_has_to_do(script: Path) -> None:
    with STAGES[script]() as stage:
        line = stage.line(newPassword=test_publish_password.NEW, oldPassword=test_publish_password.OLD)
        outcome = stage.finish(stage.start(line, script=script, new=True))
        assert (outcome.code, outcome.report["error"], stage.sandbox.errors) == (0, "", []), outcome
        assert outcome.result in ("rotated", "published")
        assert not stage.leaks([outcome])

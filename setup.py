"""The wheel carries the templates for `keeper-rotation scripts`; all else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = ("pam_user_template.csv", "templates")


class BuildWithTemplates(build_py):
    """Puts them into the package. An editable installation reads them where they are."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        folder = Path(self.build_lib, "gateway", "carried")
        folder.mkdir(parents=True, exist_ok=True)
        for name in CARRIED:
            if Path(name).is_dir():
                shutil.copytree(name, folder / name, dirs_exist_ok=True)
            else:
                shutil.copy(name, folder / name)


setup(cmdclass={"build_py": BuildWithTemplates})

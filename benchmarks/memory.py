"""Largest resident memory of one command, the Python process and its libraries included.

python -m benchmarks.memory -- --dataset cifar10 --data-dir … --epochs 1
"""

from __future__ import annotations

import resource
import subprocess
import sys


def main() -> int:
    """Runs `python -m training` with the given flags and prints its peak in MB (10⁶ bytes)."""
    flags = [flag for flag in sys.argv[1:] if flag != "--"]
    code = subprocess.run([sys.executable, "-m", "training", *flags], check=False).returncode
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024
    print(f"largest resident memory: {peak * unit / 1e6:,.0f} MB")
    return code


if __name__ == "__main__":
    sys.exit(main())

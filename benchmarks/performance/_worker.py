"""One case in a process of its own; prints what it measured as one line of JSON.

python benchmarks/performance/_worker.py --case train_joint_28 --profile fast
"""

import argparse
import json

import torch
from _cases import CASES, make_case
from _profiles import PROFILES

from sksubtomo._torch import PRECISIONS


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", choices=CASES, required=True)
    parser.add_argument("--profile", choices=PROFILES, default="fast")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="auto")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    case = make_case(options.case, options.profile, options.device, options.precision)
    print(json.dumps(case.report()))


if __name__ == "__main__":
    main()

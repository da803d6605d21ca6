"""`python -m training` with a report that costs nothing, as processes of the tests about several devices run it.

With `--logical-cpus N` first it has that many logical CPU devices.
"""

import sys


def main() -> int:
    import tensorflow as tf

    import training.finish
    from evaluation.command import run_main
    from tests.training.commands import short_report
    from training import __main__ as command

    arguments = sys.argv[1:]
    if arguments[0] == "--logical-cpus":
        parts = [tf.config.LogicalDeviceConfiguration()] * int(arguments[1])
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
        arguments = arguments[2:]
    training.finish.report_run = short_report
    sys.argv = ["training", *arguments]
    return run_main(command.main, user_errors=command.USER_ERRORS)


if __name__ == "__main__":
    sys.exit(main())

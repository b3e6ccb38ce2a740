"""`python -m millrace_harness.dev <verb>`: what `localstack/dev` hands over to."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from millrace_harness.dev.failed import Failed
from millrace_harness.dev.places import Places
from millrace_harness.dev.steps import Steps
from millrace_harness.dev.verbs import VERBS
from millrace_harness.parts.errors import PartFailed

INTERRUPTED = 130  # what shells give for a program that ended by SIGINT


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The verb and its options; what follows `--` is kept for pytest. Exits with 2 where they make no sense."""
    own, extra = list(arguments), []
    if "--" in own:
        at = own.index("--")
        own, extra = own[:at], own[at + 1 :]
    parser = argparse.ArgumentParser(prog="localstack/dev", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    for verb in VERBS:
        options = verbs.add_parser(verb, allow_abbrev=False)
        if verb == "demo":
            options.add_argument("--all", action="store_true", help="show every event")
        elif verb == "up":
            kind = options.add_mutually_exclusive_group()
            kind.add_argument("--brokers", type=int, choices=(1, 3), help="Kafka brokers (1 unless told)")
            kind.add_argument("--compose", action="store_true", help="the parts of localstack/compose.yaml, in Docker")
        elif verb == "test":
            options.add_argument("suites", nargs="*", metavar="suite")
        elif verb == "logs":
            options.add_argument("name", nargs="?")
    parsed = parser.parse_args(own)
    if extra and parsed.verb != "test":
        parser.error("only test takes arguments after --")
    parsed.arguments = extra
    return parsed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb. A failure is one sentence on standard error; with MILLRACE_DEBUG=1 a traceback."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    places = Places.find(state="test" if options.verb == "test" else "up")
    # An end that is asked for politely tears down as an interrupt does.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with Steps() as steps:
            return VERBS[options.verb](options, places, steps)
    except (Failed, PartFailed) as failure:
        if _debugging():
            raise
        sys.stderr.write(f"millrace: {failure}\n")
        return 1
    except BrokenPipeError:
        # Whoever read standard output has enough: nothing more can be said to them, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as fault:
        # Not foreseen, so ours: still one sentence, and a way to see the rest.
        if _debugging():
            raise
        sys.stderr.write(f"millrace: {options.verb} broke off, {fault!r}: MILLRACE_DEBUG=1 shows where.\n")
        return 1


def _debugging() -> bool:
    return os.environ.get("MILLRACE_DEBUG") == "1"


if __name__ == "__main__":
    sys.exit(main())

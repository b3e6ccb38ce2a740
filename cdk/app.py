"""The CDK app: one profile, one stage. Run by the `cdk` command line through cdk.json, as `python -m cdk.app`."""

import sys
from collections.abc import Mapping
from pathlib import Path

import aws_cdk as core

from cdk.parts.bundling import Bundle, Bundler, BundlingError
from cdk.profiles import Profile, ProfileError, profile_from
from cdk.stacks.whole import Whole
from functions.catalog import FUNCTIONS

ROOT = Path(__file__).resolve().parent.parent


def build(app: core.App, profile: Profile, bundles: Mapping[str, Bundle]) -> core.Stage:
    """Add everything that `profile` deploys to `app`: one Stage, since references do not cross stages."""
    stage = core.Stage(app, profile.name.capitalize())
    Whole(stage, profile=profile, bundles=bundles)
    return stage


def main() -> None:
    """Synthesize for the command line. What cannot be right ends it with one sentence and exit code 1."""
    try:
        # Only an app knows the context, and an app must know at once whether it validates: the first one just asks.
        profile = profile_from(core.App(auto_synth=False).node.get_all_context())
        bundler = Bundler(root=ROOT, cache=ROOT / ".millrace" / "bundles", wheels=profile.wheels)
        bundles = bundler.bundles(row.name for row in FUNCTIONS)
    except (ProfileError, BundlingError) as error:
        sys.exit(f"millrace: {error}")
    app = core.App(tree_metadata=False, analytics_reporting=False, builtin_cloud_formation_validation=profile.validated)
    build(app, profile, bundles)
    app.synth()


if __name__ == "__main__":
    main()

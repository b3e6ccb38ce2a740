"""What rings, at what, and where nothing does."""

from typing import Any

import pytest

from cdk.parts.bundling import Bundle
from cdk.profiles import Profile
from tests.stacks.conftest import synthesize
from tests.stacks.template import Template

ALARM = "AWS::CloudWatch::Alarm"
DAY = 86_400


@pytest.fixture(scope="module")
def elsewhere(profile: Profile, empty_bundles: dict[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A deployment that is not on this machine."""
    return synthesize(
        profile.model_copy(update={"name": "elsewhere"}), empty_bundles, tmp_path_factory.mktemp("elsewhere")
    )


def test_strays_missing_days_and_a_nearing_loss_ring(elsewhere: Template) -> None:
    found = {alarm["AlarmName"]: (alarm["ComparisonOperator"], alarm["Threshold"]) for alarm in elsewhere.all(ALARM)}
    assert found == {
        "elsewhere-DefaultPartitionRows": ("GreaterThanThreshold", 0),
        "elsewhere-PartitionsAhead": ("LessThanThreshold", 3),
        "elsewhere-TimeToLoss-persist": ("LessThanThreshold", 7 * DAY / 4),
        "elsewhere-TimeToLoss-bury": ("LessThanThreshold", 14 * DAY / 4),
    }


def test_an_alarm_looks_at_what_maintain_publishes_and_silence_rings(elsewhere: Template) -> None:
    alarms: list[dict[str, Any]] = elsewhere.all(ALARM)
    assert {(alarm["Namespace"], alarm["TreatMissingData"], alarm["Period"]) for alarm in alarms} == {
        ("Millrace", "breaching", 60)
    }
    dimensions = [{each["Name"]: each["Value"] for each in alarm["Dimensions"]} for alarm in alarms]
    assert all(each["service"] == "maintain" for each in dimensions)
    assert sorted(each["group"] for each in dimensions if "group" in each) == ["bury", "persist"]


def test_nothing_rings_where_no_metrics_are_taken_out_of_logs(template: Template) -> None:
    assert not template.all(ALARM)

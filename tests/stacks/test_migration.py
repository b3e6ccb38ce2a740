from dataclasses import replace
from pathlib import Path

import pytest

from cdk.parts.bundling import Bundle
from cdk.parts.migration import fingerprint
from cdk.profiles import Profile
from functions.catalog import FUNCTIONS, MIGRATE, Function
from shared.events.topics import DEAD_EVENTS, EVENTS, TOPICS
from tests.stacks.conftest import synthesize
from tests.stacks.template import Template, target

KIND = "Custom::Migration"


def test_the_migration_is_answered_by_the_migrate_function_itself(template: Template) -> None:
    assert target(template.only(KIND)["ServiceToken"]) == template.function_id("local-migrate")


def test_the_deployment_waits_for_the_migration_only_a_little_longer_than_it_may_run(template: Template) -> None:
    waited = int(template.only(KIND)["ServiceTimeout"])
    assert MIGRATE.timeout_seconds < waited <= MIGRATE.timeout_seconds + 60


@pytest.mark.parametrize("row", [row for row in FUNCTIONS if row is not MIGRATE], ids=lambda row: row.name)
def test_a_function_is_created_after_the_migration(template: Template, row: Function) -> None:
    (migration,) = template.ids(KIND)
    assert migration in template.waits_for(template.function_id(f"local-{row.name}"))


def test_the_migration_is_run_before_a_poller_reads_and_before_the_api_answers(template: Template) -> None:
    (migration,) = template.ids(KIND)
    (stage,) = template.ids("AWS::ApiGateway::Stage")
    for mapping in template.ids("AWS::Lambda::EventSourceMapping"):
        assert migration in template.waits_for(mapping)
    assert migration in template.waits_for(stage)


def test_the_migration_itself_waits_for_its_logs_and_rights_and_for_no_other_function(template: Template) -> None:
    (migration,) = template.ids(KIND)
    ahead = template.waits_for(migration)
    assert [name for name in ahead if name in template.ids("AWS::Lambda::Function")] == [
        template.function_id("local-migrate")
    ]
    assert any(name in template.ids("AWS::IAM::Policy") for name in ahead)


def test_changed_code_of_migrate_runs_the_migration_again(
    template: Template, profile: Profile, empty_bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    changed = {**empty_bundles, "migrate": replace(empty_bundles["migrate"], digest="another")}
    again = synthesize(profile, changed, tmp_path)
    assert again.only(KIND) != template.only(KIND)


def test_changed_code_of_another_function_does_not(
    template: Template, profile: Profile, empty_bundles: dict[str, Bundle], tmp_path: Path
) -> None:
    changed = {**empty_bundles, "query": replace(empty_bundles["query"], digest="another")}
    again = synthesize(profile, changed, tmp_path)
    assert again.only(KIND) == template.only(KIND)
    assert again.function("local-query")["Code"] != template.function("local-query")["Code"]


def test_any_change_of_a_topic_runs_the_migration_again(template: Template) -> None:
    assert template.only(KIND)["Topics"] == fingerprint(TOPICS)
    assert fingerprint((replace(EVENTS, partitions=24), DEAD_EVENTS)) != fingerprint(TOPICS)
    assert fingerprint((EVENTS,)) != fingerprint(TOPICS)
    assert fingerprint((DEAD_EVENTS, EVENTS)) == fingerprint(TOPICS)

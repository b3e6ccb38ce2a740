"""Settings are a typed contract, and their errors repeat no value."""

import pytest

from shared.runtime.settings import IngestSettings, MigrateSettings, PersistSettings, QuerySettings, Settings

MIGRATE = {
    "DATABASE_DIRECT_URL": "postgresql://u:s3cret@h/d",
    "KAFKA_BOOTSTRAP": "h:1",
    "KAFKA_REPLICATION": "3",
}
CLASSES = [IngestSettings, QuerySettings, PersistSettings, MigrateSettings]


def test_variables_become_fields_of_their_types() -> None:
    settings = MigrateSettings.from_environment(MIGRATE)
    assert (settings.kafka_bootstrap, settings.kafka_replication) == ("h:1", 3)


def test_other_variables_are_passed_over() -> None:
    found = MigrateSettings.from_environment(MIGRATE | {"HOME": "/", "kafka_bootstrap": "other:1"})
    assert found == MigrateSettings.from_environment(MIGRATE)


@pytest.mark.parametrize("name", MIGRATE)
def test_a_missing_variable_is_named(name: str) -> None:
    environment = {known: value for known, value in MIGRATE.items() if known != name}
    with pytest.raises(RuntimeError, match=f"MigrateSettings.*{name.lower()}"):
        MigrateSettings.from_environment(environment)


def test_a_variable_of_a_wrong_type_is_named_and_not_repeated() -> None:
    with pytest.raises(RuntimeError, match="kafka_replication") as refused:
        MigrateSettings.from_environment(MIGRATE | {"KAFKA_REPLICATION": "s3cret"})
    assert "s3cret" not in str(refused.value)
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("settings", CLASSES)
def test_a_class_names_its_variables(settings: type[Settings]) -> None:
    assert settings.environment_names()
    assert all(name.isupper() for name in settings.environment_names())


def test_the_process_is_asked_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in MIGRATE.items():
        monkeypatch.setenv(name, value)
    assert MigrateSettings.from_environment() == MigrateSettings.from_environment(MIGRATE)

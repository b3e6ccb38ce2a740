"""What stands in the repository, and what does not."""

import re
from pathlib import Path

import pytest

from tests.architecture.checkout import ROOT, files, python_files

FOLDERS = {"functions", "shared", "cdk", "localstack", "tests", "loadtest"}
FILES = {"cdk.json", "pyproject.toml", "README.md"}
MOST_LINES = 300
OTHER_PEOPLES_WORDS = {Path("tests/samples/github-webhooks.ndjson")}

# Each is written in two pieces, so that this file does not hold what it looks for.
NOWHERE = {
    "a package registry": r"py" + r"pi\.org|python" + r"hosted\.org|npm" + r"js\.(org|com)|repo1?\.mav" + r"en\.",
    "a path of one machine": r"(?<![\w.~-])/(ro" + r"ot|wo" + r"rk|ho" + r"me)/",
    "an address that listens to everybody": r"(?<![\d.])0\.0\." + r"0\.0(?![\d.])",
}


def test_the_top_level_is_the_owners() -> None:
    top = {file.parts[0] for file in files()}
    assert {name for name in top if not name.startswith(".")} <= FOLDERS | FILES
    assert top >= FOLDERS


@pytest.mark.parametrize("what", NOWHERE)
def test_no_file_names(what: str) -> None:
    pattern = re.compile(NOWHERE[what])
    found = [
        f"{file}:{number}"
        for file in files()
        if file not in OTHER_PEOPLES_WORDS
        for number, line in enumerate((ROOT / file).read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_no_file_of_the_product_is_longer_than_a_few_screens() -> None:
    lengths = {
        str(file): len((ROOT / file).read_text().splitlines()) for file in python_files("functions", "shared", "cdk")
    }
    assert {file: length for file, length in lengths.items() if length > MOST_LINES} == {}


@pytest.mark.parametrize(
    ("pattern", "place"),
    [
        (r"\bos\.(environ|getenv|putenv)\b|from os import", "shared/runtime/settings.py"),
        (r"\basyncio\.(run|Runner|new_event_loop|set_event_loop|get_event_loop)\b", "shared/runtime/loop.py"),
        (r"\bdatetime\.(now|today|utcnow)\b|\bdate\.today\b", "shared/kit/clock.py"),
        (r'"events(\.dead)?"', "shared/events/topics.py"),
    ],
)
def test_what_has_its_place_is_used_nowhere_else(pattern: str, place: str) -> None:
    assert re.search(pattern, (ROOT / place).read_text()), "the place is empty: this test looks for the wrong thing"
    code = {
        file: re.sub(r'"""[\s\S]*?"""', "", (ROOT / file).read_text())
        for file in python_files("functions", "shared")
        # With words of their own: what is documented, the table of that name, and the member of a batch.
        if "docs" not in file.with_suffix("").parts and "postgres" not in file.parts and file.name != "batch.py"
    }
    assert {str(file) for file, text in code.items() if re.search(pattern, text)} == {place}


def test_localstack_is_a_folder_and_no_package() -> None:
    # A package of that name on the path would hide LocalStack itself.
    inside = [file for file in python_files("localstack") if "src" not in file.parts]
    assert [file for file in inside if file.name == "__init__.py" or len(file.parts) == 2] == []


def test_every_python_folder_of_the_product_is_a_package() -> None:
    folders = {file.parent for file in python_files("functions", "shared", "cdk", "tests", "loadtest")}
    migrations = Path("shared/adapters/postgres/migrations")  # Alembic loads them by their path
    missing = {folder for folder in folders if not (ROOT / folder / "__init__.py").exists()}
    assert missing == {migrations, migrations / "versions"}


def test_locks_lie_beside_what_they_lock_and_have_hashes() -> None:
    locks = [file for file in files() if file.name == "requirements.txt"]
    assert locks
    for lock in locks:
        assert lock.with_suffix(".in") in files()
        pinned = [line for line in (ROOT / lock).read_text().splitlines() if "==" in line]
        assert pinned
        assert all(line.endswith("\\") for line in pinned), f"{lock} has a line without a hash"

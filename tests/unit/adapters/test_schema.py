"""What is known of migrations without loading the library that runs them."""

from pathlib import Path

from alembic.script import ScriptDirectory

from shop.adapters.sql import schema


def test_the_newest_revision_is_the_one_that_alembic_would_go_to() -> None:
    scripts = ScriptDirectory(str(Path(schema.__file__).with_name("migrations")))
    assert schema.newest() == scripts.get_current_head()
    for script in scripts.walk_revisions():
        assert Path(script.path).name.startswith(f"{script.revision}_")

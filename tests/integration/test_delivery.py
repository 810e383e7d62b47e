"""What checks, builds and delivers the shop: is it well-formed, pinned, and twice the same?"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.golang import go_program
from tests.kit.maven import on_java
from tests.kit.process import ROOT
from tests.kit.servers import Missing

CHECKS = ROOT / ".venv" / "checks" / "bin"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
JENKINS = (ROOT / "Jenkinsfile").read_text()
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
#: Steps that both pipelines must have. What they do stands in the Makefile and in scripts.
STEPS = (
    *("make lint", "make security", "make audit", "make test", "make image"),
    *(".ci/smoke", ".ci/publish", "cosign verify", "deploy/release", "deploy/release rollback"),
)
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.11"
CODENARC = "org.codenarc:CodeNarc:3.5.0", "org.slf4j:slf4j-simple:1.7.36"
RULES = """ruleset {
    ruleset('rulesets/basic.xml')
    ruleset('rulesets/exceptions.xml')
    ruleset('rulesets/formatting.xml') { exclude 'SpaceAroundMapEntryColon' }
    ruleset('rulesets/groovyism.xml') { exclude 'GStringExpressionWithinString' }
    ruleset('rulesets/imports.xml')
    ruleset('rulesets/jenkins.xml')
    ruleset('rulesets/naming.xml')
    ruleset('rulesets/security.xml')
    ruleset('rulesets/unnecessary.xml')
    ruleset('rulesets/unused.xml')
}
"""


def passes(*command: str | Path) -> str:
    done = subprocess.run(  # noqa: S603 - named in the tests
        [str(word) for word in command],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read(workflow: Path) -> dict[str, Any]:
    said: dict[str, Any] = yaml.safe_load(workflow.read_text())
    return said


def jobs() -> list[Any]:
    """Each job, with a name that a failure shows."""
    return [
        pytest.param(job, id=f"{workflow.stem}-{name}")
        for workflow in WORKFLOWS
        for name, job in read(workflow)["jobs"].items()
    ]


def test_the_dockerfile_is_clean() -> None:
    passes(CHECKS / "hadolint", "Dockerfile")


def test_what_compose_reads_is_well_formed() -> None:
    passes(CHECKS / "check-jsonschema", "--builtin-schema=vendor.compose-spec", "compose.yaml")


def test_the_workflows_are_well_formed() -> None:
    passes(CHECKS / "check-jsonschema", "--builtin-schema=vendor.github-workflows", *WORKFLOWS)


def test_the_workflows_mean_what_they_say() -> None:
    passes(actionlint(), *WORKFLOWS)


def test_a_workflow_that_means_nothing_is_found(tmp_path: Path) -> None:
    """Well-formed, yet it asks for what no step gives."""
    wrong = tmp_path / "wrong.yml"
    text = (ROOT / ".github/workflows/release.yml").read_text()
    wrong.write_text(text.replace("steps.publish.outputs", "steps.nothing.outputs"))
    passes(CHECKS / "check-jsonschema", "--builtin-schema=vendor.github-workflows", wrong)
    with pytest.raises(AssertionError, match='property "nothing" is not defined'):
        passes(actionlint(), wrong)


def actionlint() -> str | Path:
    """Installed, or built by a Go that is new enough, which both pipelines have."""
    try:
        return shutil.which("actionlint") or go_program(ACTIONLINT)
    except Missing as error:
        pytest.skip(f"NO ACTIONLINT: {error} ONLY THE SCHEMA OF THE WORKFLOWS WAS CHECKED.")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_no_right_but_those_of_its_jobs(workflow: Path) -> None:
    assert read(workflow)["permissions"] == {}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_an_action_of_others_is_pinned_by_its_commit(workflow: Path) -> None:
    used = re.findall(r"uses: (.+)", workflow.read_text())
    others = [action for action in used if not action.startswith("./")]
    assert [action for action in others if not PINNED.fullmatch(action)] == []


@pytest.mark.parametrize("job", jobs())
def test_a_job_has_few_rights_an_end_and_keeps_no_token(job: dict[str, Any]) -> None:
    assert job["permissions"].items() <= {"contents": "read", "id-token": "write"}.items()
    if "uses" in job:  # the called one has the rest
        return
    assert job["timeout-minutes"] <= 60
    for step in job["steps"]:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_only_one_deployment_at_a_time_and_none_is_cut_off() -> None:
    deploy = read(ROOT / ".github/workflows/deploy.yml")["jobs"]["deploy"]
    assert deploy["concurrency"]["cancel-in-progress"] is False
    assert deploy["environment"] == "${{ inputs.environment }}"
    assert (
        read(ROOT / ".github/workflows/release.yml")["concurrency"]["cancel-in-progress"] is False
    )


def test_the_jenkinsfile_is_clean_groovy(tmp_path: Path) -> None:
    try:
        java = on_java("codenarc-3.5.0", *CODENARC)
    except Missing as error:
        if os.environ.get("TEST_REQUIRE_SERVERS") == "1":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(f"NO CODENARC: {error}")
    rules = tmp_path / "rules.groovy"
    rules.write_text(RULES)
    none = [f"-maxPriority{priority}Violations=0" for priority in (1, 2, 3)]
    said = passes(
        *(*java, "-XX:TieredStopAtLevel=1", "org.codenarc.CodeNarc", f"-basedir={ROOT}"),
        *("-includes=Jenkinsfile", f"-rulesetfiles=file:{rules}", "-report=console"),
        *("-failOnError=true", *none),
    )
    assert "TotalFiles=1 " in said


@pytest.mark.parametrize("step", STEPS)
def test_both_pipelines_have_the_step(step: str) -> None:
    assert any(step in workflow.read_text() for workflow in WORKFLOWS)
    assert step in JENKINS


def test_both_pipelines_test_the_same_pythons_on_the_same_servers() -> None:
    test = read(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]
    assert f"values {str(test['strategy']['matrix']['python'])[1:-1]}" in JENKINS
    for server in test["services"].values():
        assert f"'{server['image']}'" in JENKINS
        for name, value in server.get("env", {}).items():
            assert f"{name}: '{value}'" in JENKINS or f"{name}={value}" in JENKINS
    for name, value in test["env"].items():
        assert f"'{name}={value}'" in JENKINS


def test_they_test_on_what_the_package_promises() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    promised = re.findall(r"Python :: (3\.\d+)", project)
    matrix = read(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == promised


def test_the_servers_are_those_that_compose_starts() -> None:
    compose = (ROOT / "compose.yaml").read_text()
    for server in read(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]["services"].values():
        assert f"image: {server['image']}\n" in compose


@pytest.mark.parametrize("script", sorted((ROOT / ".ci").iterdir()), ids=lambda path: path.name)
def test_a_script_is_one_and_can_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK)
    passes("bash", "-n", script)


def test_there_is_no_known_hole_in_the_code_and_no_secret_in_the_repository() -> None:
    passes("make", "--silent", "security")

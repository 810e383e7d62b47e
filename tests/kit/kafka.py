"""Apache Kafka for tests: one private broker a run, made of what Maven has.

The libraries are fetched once into ~/.cache/shop (or $XDG_CACHE_HOME/shop); a test takes topics
of its own by a prefix of its own.
"""

import contextlib
import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.certificates import Certificate
from tests.kit.process import free_port
from tests.kit.servers import SERVERS, Missing, Process, Server, listens

VERSION = "4.3.1"
#: Who may use the broker's other door, which wants TLS and a password.
USER, PASSWORD = "shop", "top secret/kafka@1"

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>shop</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId>
      <version>{VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"""
_QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},SECURE://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SECURE://127.0.0.1:{secure}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location={certificate}
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=4000000
"""  # noqa: E501 - properties have no line breaks


def _libraries() -> Path:
    """The folder of the jars; fetched when it is not there yet."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "shop" / f"kafka-{VERSION}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("mvn is not installed; `make test-servers` installs maven.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        (Path(made) / "pom.xml").write_text(_POM)
        command = [maven, "-q", "-B", "-ntp", "dependency:copy-dependencies"]
        done = subprocess.run(  # noqa: S603 - found on the path
            [*command, f"-DoutputDirectory={made}/jars", "-DincludeScope=runtime"],
            cwd=made,
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode:
            raise Missing(f"Maven could not fetch kafka_2.13 {VERSION}: {done.stdout[-500:]}")
        with contextlib.suppress(OSError):  # another run was quicker
            (Path(made) / "jars").rename(folder)
    return folder


def java(*words: str, heap: str = "256m") -> list[str]:
    """A command of the Kafka distribution, such as the console consumer."""
    program = shutil.which("java")
    if program is None:
        raise Missing("java is not installed; `make test-servers` installs a JDK.")
    swift = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", f"-Xmx{heap}", _QUIET]
    return [program, *swift, "-cp", f"{_libraries()}/*", *words]


def _kafka(folder: Path) -> tuple[str, Process]:
    port, secure, controller = (free_port() for _ in range(3))
    certificate = Certificate(folder, "127.0.0.1")
    properties = folder / "server.properties"
    properties.write_text(
        _PROPERTIES.format(
            port=port,
            secure=secure,
            controller=controller,
            folder=folder,
            certificate=certificate.both,
            user=USER,
            password=PASSWORD,
        )
    )
    scram = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
    cluster = "MkU3OEVBNTcwNTJENDM2Qg"
    made = subprocess.run(  # noqa: S603 - found on the path
        java(
            *("kafka.tools.StorageTool", "format", "-t", cluster),
            *("-c", str(properties), "--add-scram", scram),
        ),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if made.returncode:
        raise Missing(f"Kafka's storage could not be made: {made.stderr[-500:]}")
    (folder / "secure").write_text(str(secure))
    command = java("kafka.Kafka", str(properties), heap="512m")
    return f"kafka://127.0.0.1:{port}", Process(command, folder, port, lambda: listens(port))


KAFKA = Server("KAFKA", "TEST_KAFKA_URL", _kafka)
SERVERS.append(KAFKA)

_numbers = itertools.count(1)


@pytest.fixture
def kafka_url() -> str:
    """A Kafka that runs, whatever the test before did to it."""
    return KAFKA.wanted()


@pytest.fixture
def kafka_process(kafka_url: str) -> Iterator[Process]:
    """A broker that may be paused, killed and started; it runs again after the test."""
    if KAFKA.process is None:
        pytest.skip(f"The broker at {kafka_url} is not ours to stop.")
    yield KAFKA.process
    KAFKA.process.resume()
    if not KAFKA.process.running:
        KAFKA.process.start()


@pytest.fixture
def topic_prefix() -> str:
    """No other test, of this run or another, has topics or groups that begin like that."""
    return f"t{os.getpid()}-{next(_numbers)}-{os.urandom(3).hex()}"

"""Where Java and a ZooKeeper server are on this machine.

The rules that live here: a server is looked for in an explicit home, else in ``ZOOKEEPER_HOME``,
else in Debian's package; Java in ``JAVA_HOME``, else on the ``PATH``. What is missing is told with
what to install.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

DEBIAN_JAR = Path("/usr/share/java/zookeeper.jar")
#: Debian's server has no logging backend on its class path; with this one its errors are seen.
DEBIAN_LOGGER = Path("/usr/share/java/slf4j-simple.jar")
#: What Netty needs for TLS and Debian's class path leaves out.
DEBIAN_CODEC = Path("/usr/share/java/netty-codec.jar")
DEBIAN_CONF = Path("/etc/zookeeper/conf")

#: Where a server's jar tells its version.
_POM = "META-INF/maven/org.apache.zookeeper/zookeeper/pom.properties"

INSTALL = (
    "On Debian and Ubuntu: apt-get install zookeeper. Elsewhere: install a Java runtime, unpack a "
    "release from https://zookeeper.apache.org/releases.html and name its directory with --zk-home "
    "or ZOOKEEPER_HOME."
)


class LiveUnavailableError(Exception):
    """This machine has no Java or no ZooKeeper server; the text says what to install."""


@dataclass(frozen=True)
class Installation:
    """What it takes to run a server: the path of the ``java`` command, and the entries of the class
    path.
    """

    java: str
    class_path: tuple[str, ...]


def find_installation(home: str | os.PathLike[str] | None = None) -> Installation:
    """Find Java and a ZooKeeper server.

    ``home`` is an unpacked release (``lib/*.jar`` and ``conf``) or any directory with the server's
    jars; the default is ``$ZOOKEEPER_HOME``, then Debian's package. Java is ``$JAVA_HOME``'s,
    then the ``java`` of the ``PATH``. Costs a few directory look-ups.

    Raises `LiveUnavailableError` when Java or the server is not installed, `ValueError` when a home
    was named and holds no server.
    """
    return Installation(java=_find_java(), class_path=_find_class_path(home))


def installed_version(home: str | os.PathLike[str] | None = None) -> str:
    """The version of the server that `find_installation` finds, from its jar: ``"3.8.0"``; ``""``
    where the jar does not tell. Raises as `find_installation` does. Costs opening one jar.
    """
    import zipfile

    for entry in find_installation(home).class_path:
        folder = Path(entry[:-1]) if entry.endswith("*") else None
        for jar in sorted(folder.glob("zookeeper*.jar")) if folder else [Path(entry)]:
            if not _is_server_jar(jar.name):
                continue
            with contextlib.suppress(OSError, KeyError, zipfile.BadZipFile):
                with zipfile.ZipFile(jar) as archive:
                    text = archive.read(_POM).decode("utf-8", "replace")
                if found := re.search(r"^version=(\d+(?:\.\d+)+)", text, re.MULTILINE):
                    return found[1]
    return ""


def _find_java() -> str:
    java_home = os.environ.get("JAVA_HOME")
    if java_home:
        found = shutil.which("java", path=os.path.join(java_home, "bin"))
        if found:
            return found
    found = shutil.which("java")
    if found is None:
        raise LiveUnavailableError(
            f"a live ZooKeeper needs Java, and there is none here. {INSTALL}"
        )
    return found


def _find_class_path(home: str | os.PathLike[str] | None) -> tuple[str, ...]:
    named = os.fspath(home) if home is not None else os.environ.get("ZOOKEEPER_HOME")
    if named:
        return _class_path_of_home(Path(named))
    if DEBIAN_JAR.exists():
        # The jar's manifest names the rest of its class path.
        entries = [DEBIAN_CONF, DEBIAN_JAR, DEBIAN_LOGGER, DEBIAN_CODEC]
        return tuple(str(entry) for entry in entries if entry.exists())
    raise LiveUnavailableError(f"there is no ZooKeeper server here. {INSTALL}")


def _class_path_of_home(home: Path) -> tuple[str, ...]:
    # 3.5 and later keep every jar in lib, 3.4 its own one level above; Homebrew nests in libexec.
    for base in (home, home / "libexec"):
        folders = [folder for folder in (base, base / "lib") if any(folder.glob("*.jar"))]
        if any(_is_server_jar(jar.name) for folder in folders for jar in folder.glob("*.jar")):
            conf = [str(base / "conf")] if (base / "conf").is_dir() else []
            return (*conf, *(str(folder / "*") for folder in folders))
    raise ValueError(
        f"no ZooKeeper server in {str(home)!r} (named by home=, --zk-home or ZOOKEEPER_HOME): "
        "expected zookeeper-<version>.jar in the directory itself or in its lib"
    )


def _is_server_jar(name: str) -> bool:
    return re.fullmatch(r"zookeeper(-\d[\w.-]*)?\.jar", name) is not None

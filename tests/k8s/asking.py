"""What a cluster says, as text; what it refuses fails the test with its words."""

from tests.cluster import Cluster

SECONDS = 300


def ask(cluster: Cluster, *arguments: str, text: str | None = None) -> str:
    """What kubectl prints."""
    done = cluster.kubectl(*arguments, text=text, timeout=SECONDS)
    assert done.returncode == 0, f"kubectl {' '.join(arguments)} exited {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def name_context(cluster: Cluster, name: str) -> None:
    """Let kubectl know this cluster by that context, too."""
    names = ask(cluster, "config", "view", "--output=jsonpath={.clusters[0].name} {.users[0].name}")
    known, user = names.split()
    ask(cluster, "config", "set-context", name, f"--cluster={known}", f"--user={user}")

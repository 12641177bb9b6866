"""Which side ran out in a turn: one word from CPU shares. Pure."""

from typing import Final, Literal

Side = Literal["generator", "neighbour", "server", "idle"]

ENGINE_BUSY: Final = 0.70  # of its CPU, or of its ceiling: queues in the engine start to show in the answers' times
FOREIGN: Final = 0.10  # of the machine's CPU time, used by processes that are neither servers nor engine
STEAL: Final = 0.02  # of the machine's CPU time, taken by the hypervisor
SERVER_BUSY: Final = 0.90  # of the CPUs that the server's workers can use
NATIVE: Final = 1.5  # times as much CPU as one for each worker: their threads do not take turns
RATE: Final = 0.01  # of the offered rate may be missing


def server_busy(used: float, cpus: int, workers: int) -> float:
    """The share of what it can use that a server did use: `used` CPUs in the mean, of `cpus` that it may run on.

    A worker whose threads take turns (Python's do) has nothing left at one CPU, however many there are. One that
    goes far beyond has threads that do not, and may use all.
    """
    turns = min(cpus, workers)
    return used / (turns if used < NATIVE * turns else cpus)


def ran_out(
    *,
    engine_busy: float,
    load: float | None,
    foreign: float,
    bystanders: float,
    steal: float,
    server_busy: float,
    kept: float,
    closed: bool,
) -> Side:
    """The first that applies, for it spoils what comes after; `kept` is achieved / offered.

    generator: the engine neared its ceiling; neighbour: others took the CPU; server: it had no CPU left or did not
    keep up; idle: nobody ran out, response times are the work itself and not a wait for CPU. A closed loop is never
    idle: it asks for as much as it gets, and where nobody else stood in the way it was the server that gave no more.
    """
    if engine_busy > ENGINE_BUSY or (load is not None and load > ENGINE_BUSY):
        return "generator"
    if foreign + bystanders > FOREIGN or steal > STEAL:
        return "neighbour"
    if closed or server_busy > SERVER_BUSY or kept < 1 - RATE:
        return "server"
    return "idle"

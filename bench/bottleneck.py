"""Which side ran out in a turn: one word from CPU shares. Pure."""

from typing import Final, Literal

Side = Literal["generator", "neighbour", "server", "idle"]

ENGINE_BUSY: Final = 0.70  # of its CPU, or of its ceiling: queues in the engine start to show in the answers' times
FOREIGN: Final = 0.10  # of the machine's CPU time, used by processes that are neither servers nor engine
STEAL: Final = 0.02  # of the machine's CPU time, taken by the hypervisor
SERVER_BUSY: Final = 0.90  # of the CPUs that the server may use
RATE: Final = 0.01  # of the offered rate may be missing


def ran_out(
    *, engine_busy: float, load: float | None, foreign: float, steal: float, server_busy: float, kept: float
) -> Side:
    """The first that applies, for it spoils what comes after; `kept` is achieved / offered.

    generator: the engine neared its ceiling; neighbour: others took the CPU; server: it had no CPU left or did not
    keep up; idle: nobody ran out, response times are the work itself and not a wait for CPU.
    """
    if engine_busy > ENGINE_BUSY or (load is not None and load > ENGINE_BUSY):
        return "generator"
    if foreign > FOREIGN or steal > STEAL:
        return "neighbour"
    if server_busy > SERVER_BUSY or kept < 1 - RATE:
        return "server"
    return "idle"

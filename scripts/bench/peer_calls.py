"""How long calls of Concrete ML take."""

import statistics
import time


def timed(function, *arguments):
    """Wall and processor seconds of all threads, and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}, result


def summary(times):
    """Of all calls but the first, which also prepares the keys."""
    again = {clock: [seconds[clock] for seconds in times[1:]] for clock in ("wall", "cpu")}
    stage = {clock: {"median": statistics.median(all), "least": min(all)} for clock, all in again.items()}
    return stage | {"first": times[0]["wall"]}

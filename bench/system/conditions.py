"""What about a machine makes results unsteady or slow, as its environment shows."""

from __future__ import annotations

import os

from bench.system.environment import Environment


def warnings(env: Environment) -> list[str]:
    """Conditions that make results unsteady or slow, one sentence each with its remedy."""
    found: list[str] = []
    cores = env.logical_cores or os.cpu_count() or 1
    usable = env.usable_cores or cores
    governor, load, quota = env.governor, env.load_average_1m, env.cpu_quota_cores
    if governor is not None and governor != "performance":
        found.append(
            f"the CPU frequency governor is {governor}; set it with "
            "'cpupower frequency-set -g performance'"
        )
    if env.turbo:
        found.append(
            "turbo is on, so clocks depend on temperature and on how many cores work; for steadier "
            "results switch it off in the firmware or under /sys/devices/system/cpu"
        )
    if load is not None and load > 0.1 * cores:
        found.append(
            f"the load average was {load:.2f} on {cores} cores before the run; end other work, or "
            "wait until it has finished"
        )
    if (env.steal_share or 0) > 0.01:
        found.append(
            f"the hypervisor gave {env.steal_share:.0%} of the CPU time to other machines; "
            "measure on dedicated cores"
        )
    if (env.pressure_memory_percent or 0) > 1:
        found.append(
            f"tasks waited for memory in {env.pressure_memory_percent:.0f} % of the last 10 s; "
            "end other work or use a machine with more memory"
        )
    if (env.swap_used_bytes or 0) > 64 << 20:
        found.append(
            f"{(env.swap_used_bytes or 0) / 2**20:.0f} MiB are swapped out; free memory, then run "
            "'swapoff -a && swapon -a'"
        )
    if quota is not None and quota < usable:
        found.append(
            f"the cgroup allows {quota:g} of {usable} cores' time, so work is stopped "
            "in bursts; pin the container to whole cores with --cpuset-cpus instead of a quota"
        )
    if env.container and quota is None and usable == cores:
        found.append(
            f"this {env.container} container shares all {cores} cores with the machine; pin it "
            "with --cpuset-cpus"
        )
    if env.pythonpath_shadows:
        found.append(
            f"PYTHONPATH replaces the installed {', '.join(env.pythonpath_shadows)}; unset it "
            "unless that is what you measure"
        )
    return found

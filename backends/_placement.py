"""Proof of which execution provider ran the nodes of an ONNX graph.

`session.get_providers()` proves nothing: it lists a provider that took no node. Since version
1.30 ONNX Runtime tells the assignment itself; before, a profile of real runs does.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import onnxruntime as ort

from bench.backend import Placement

RECORD = "session.record_ep_graph_assignment_info"
"""Session configuration entry that `assigned` needs, set to 1."""


def tells_assignment() -> bool:
    """Whether this ONNX Runtime can tell the assignment of a session's graph."""
    return hasattr(ort.InferenceSession, "get_provider_graph_assignment_info")


def assigned(session: Any, wanted: str) -> Placement:
    """Placement from the session's own graph assignment; counts nodes also where they are fused."""
    pairs = [
        (part.ep_name, node.op_type)
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    ]
    return _count(pairs, wanted, "graph assignment")


def profiled(
    make_session: Callable[[Any], Any], options: Any, feed: dict[str, Any], wanted: str
) -> Placement:
    """Placement from the profile of two runs of a session of its own, which is never timed.

    A provider that fuses nodes into one shows as one node.
    """
    with tempfile.TemporaryDirectory() as folder:
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = make_session(options)
        for _ in range(2):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
    return from_profile(events, wanted)


def from_profile(events: Iterable[dict[str, Any]], wanted: str) -> Placement:
    """Placement from ONNX Runtime's profile events; a node that ran twice counts once."""
    nodes = {}
    for event in events:
        facts = event.get("args", {})
        if event.get("cat") == "Node" and "provider" in facts:
            name = event["name"].removesuffix("_kernel_time")
            nodes[facts.get("node_index", name), name] = facts["provider"], facts["op_name"]
    return _count(nodes.values(), wanted, "profile")


def _count(pairs: Iterable[tuple[str, str]], wanted: str, proof: str) -> Placement:
    placed = list(pairs)
    return Placement(
        wanted=wanted,
        nodes=dict(Counter(provider for provider, _ in placed)),
        strays=dict(Counter(operator for provider, operator in placed if provider != wanted)),
        proof=proof,
    )

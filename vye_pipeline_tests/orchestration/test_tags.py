"""Assets are found by their kind, and by whether what they stand for is personal."""

from __future__ import annotations

from vye_pipeline.definitions import defs
from vye_pipeline.records import KINDS

PERSONAL = {"export_ready", "upload_file", "acknowledgement", "wave_feed"}


def test_every_asset_says_of_which_kind_it_is_and_whether_it_is_personal() -> None:
    nodes = defs.resolve_asset_graph().asset_nodes
    assert nodes
    for node in nodes:
        *prefix, name = node.key.path
        assert node.tags["vye/personal_data"] == ("yes" if name in PERSONAL else "no")
        assert node.tags.get("vye/kind", "") == "".join(prefix)
    assert {node.tags.get("vye/kind") for node in nodes} == {None, *(kind.name for kind in KINDS)}

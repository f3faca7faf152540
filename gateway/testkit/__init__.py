"""The conformance kit: what the authors of a channel run against it, and we against ours.

from gateway.testkit import Case, assert_conforms, outbounds

async def test_the_pigeon_channel_conforms():
    await assert_conforms(Case(channel=PigeonChannel, config={"loft": "north"}, messages=outbounds(...)))
"""

from gateway.testkit.case import Case, Defect, NotApplicable, NotTried, Peer
from gateway.testkit.conformance import CHECKS, Finding, Report, assert_conforms, check
from gateway.testkit.level import LEVELS, Standing, standing
from gateway.testkit.peers import Call, Reply, always, http_peer, silent_server
from gateway.testkit.samples import CANARY, NAMES, NOW, outbound, outbounds

__all__ = [
    "CANARY",
    "CHECKS",
    "LEVELS",
    "NAMES",
    "NOW",
    "Call",
    "Case",
    "Defect",
    "Finding",
    "NotApplicable",
    "NotTried",
    "Peer",
    "Reply",
    "Report",
    "Standing",
    "always",
    "assert_conforms",
    "check",
    "http_peer",
    "outbound",
    "outbounds",
    "silent_server",
    "standing",
]

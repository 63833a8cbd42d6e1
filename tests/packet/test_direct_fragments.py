# SPDX-License-Identifier: BSD-3-Clause
"""Fragments to servers that answer directly: each travels as it is, all of a datagram one way."""

import collections

from harness import Run, with_workers
from test_direct import BODY, Direct, all_ways, client_of, config_of, show
from test_fragments import ip_id, pieces


@with_workers(1, 2)
class DirectFragments:
    """A datagram in three fragments through every way, in order and with the first one last."""

    def test_every_byte(self):
        ways, sent = all_ways(), []
        for number, way in enumerate(ways):
            for last_first in (False, True):
                tcp = {"l4": {"flags": "S" if not last_first else "PA"}} \
                    if way.kind.protocol == "tcp" else {}
                whole = way.ask(client_of(way.kind), 40000, payload=BODY[:1400], **tcp,
                                **ip_id(way.kind, 2 * number + last_first))
                frames = pieces(whole, 600)
                self.assertEqual(len(frames), 3)
                sent.append((way, frames[1:] + frames[:1] if last_first else frames))
        result = Run(config_of(ways), wan=[f for _, frames in sent for f in frames],
                     workers=self.workers).go()
        got = collections.defaultdict(list)
        for frame in result.lan:
            got[Direct.inner_of(frame)].append(frame)
        self.assertEqual(len(result.lan), sum(len(frames) for _, frames in sent))
        for way, frames in sent:
            for frame in frames:
                out = got[frame[14:]]
                self.assertEqual(len(out), 1, f"{way.name}: {len(out)} frames came out")
                expected = way.outside(frame, out[0])
                if out[0] != expected:
                    self.fail(f"{way.name}: came out\n{show(out)}\nnot\n{show([expected])}")
        self.assertEqual(result.drops, {})

"""Deliveries by the processes that operators start, one of which is killed in the middle of one."""

import asyncio
from pathlib import Path

from gateway.app.opening import key_ring, open_database
from gateway.domain.endpoint import EndpointInput
from gateway.services import endpoints
from gateway.services.keys import Caller
from gateway.storage.tables import notices
from tests.app.place import Place
from tests.app.test_running import started
from tests.workers.receiver import Gate, receiving

ADMIN = Caller(client="ops", key_id="key_ops", scopes=frozenset({"admin"}))


async def test_a_worker_killed_in_the_middle_of_a_delivery_has_it_repeated_under_the_same_id(tmp_path: Path) -> None:
    place, gate = Place(tmp_path), Gate()
    place.worker(poll_s=0.05)
    settings = (place.config / "gateway.toml").read_text()
    place.write("gateway.toml", settings.replace("[egress]\n", '[egress]\nallow = ["127.0.0.1"]\n'))
    db = open_database(place.settings(), migrate=True)
    async with receiving() as receiver:
        receiver.answer = gate
        with db.transaction() as tx:
            allow, keys = place.settings().egress.networks, key_ring(place.settings().keys)
            issued = endpoints.add(tx, keys, allow, ADMIN, EndpointInput(url=receiver.url))
            message = endpoints.ping(tx, ADMIN, issued.endpoint.id)
        # It is killed at the end of the block.
        async with started(place, "worker"), asyncio.timeout(60):
            await gate.reached.wait()
        gate.opened.set()
        with db.transaction() as tx:
            row = tx.execute(notices.select()).one()
            assert (row.state, row.tries) == ("waiting", 0)
            tx.execute(notices.update().values(due_at=row.created_at))
        async with started(place, "worker") as worker:
            async with asyncio.timeout(60):
                while receiver.ids != [message.id, message.id]:
                    await asyncio.sleep(0.02)
            worker.terminate()
            assert await worker.ended() == 0, worker.told()
        assert "notifier.failed" not in worker.told()
    receiver.verified(issued.secret)
    with db.snapshot() as tx:
        assert tx.execute(notices.select()).one().state == "delivered"
    db.close()

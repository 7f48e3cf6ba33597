"""One cell of the clients' matrix, played."""

from pathlib import Path

from faults.cells import Result, afterwards, baseline, check_row
from faults.client_faults import ClientFault, Leave, provided
from faults.modes import Mode
from faults.person import Person
from faults.stand import Kit, Stand, run, standing
from faults.turned import HungError

ABORT = 1.0
"""Seconds, of the gateway's own clock, within which a provider is told that its client has left."""


def play_client_fault(kit: Kit, folder: Path, fault: ClientFault, mode: Mode) -> Result:
    """A cell: all ways of a client's fault, each on a gateway of its own."""
    result = Result()
    for way in fault.ways:
        (folder / way.id).mkdir(exist_ok=True)
        result.add(_played(kit, folder / way.id, way, mode))
    return result


def _played(kit: Kit, folder: Path, way: Leave, mode: Mode) -> Result:
    async def scene() -> Result:
        async with standing(kit, folder) as stand:
            return await _scene(stand, way, mode)

    return run(scene)


async def _scene(stand: Stand, way: Leave, mode: Mode) -> Result:
    result = Result()
    before = await baseline(stand, mode, result)
    met, provider = len(stand.provider.everyone), stand.provider
    if way.provides == "nobody":
        provider.swallow()
    else:
        provider.play = provided(way.provides, mode)
    try:
        one = await way.act(stand, mode)
        if way.ends(mode) == "complete":
            await stand.loop.happens("the answer is over", lambda: len(stand.rows()) == stand.asked, within=5)
            one.reset()
        else:
            await _abandoned(stand, one, way.within, met, result)
    except HungError as error:
        result.hung += 1
        result.wrong.append(f"HUNG: {error}")
    except AssertionError as error:
        result.wrong.append(str(error))
    result.attempts = len(provider.everyone) - met
    if result.attempts != (mode.family in way.reaches):
        result.wrong.append(f"{result.attempts} connections to a provider")
    await stand.heal()
    await afterwards(stand, mode, before, result)
    outcome = way.ends(mode)
    result.ends = outcome or "no request"
    check_row(stand, None if outcome is None else 1, {"outcome": outcome or ""}, result)
    return result


async def _abandoned(stand: Stand, one: Person, within: float, met: int, result: Result) -> None:
    """The client goes, or is sent away; its provider is left at once."""
    peers = stand.provider.everyone[met:]
    if within:
        # A client that does not read does not see that it is sent away; its provider does.
        def sent_away() -> bool:
            return one.closed or (bool(peers) and all(peer.gone.done() for peer in peers))

        await stand.loop.happens("the client is sent away", sent_away, within=within)
        one.reset()
    left = stand.loop.time()
    await stand.loop.happens("the client is gone", lambda: one.closed, within=ABORT)
    await stand.loop.happens(
        "the provider is left", lambda: all(peer.gone.done() for peer in peers), within=ABORT
    )
    result.took = max(0.0, *(peer.left_at - left for peer in peers if peer.left_at is not None), 0.0)
    if result.took > ABORT:
        result.wrong.append(f"the provider was left after {result.took:.2f} s")

"""Runs the drawing of a sheet off the event loop: one page in a thread, many in another process.

Both give the same bytes for the same messages. Nothing here reads the database.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Iterable

from farebox.engine.sheet_cards import Message, frame

_CHUNK_BYTES = 64 * 1024
# Drawing a page takes milliseconds; a process that says nothing for this long will not go on.
_SILENCE_SECONDS_MAX = 60


class DrawingError(Exception):
    """The drawing process ended without a whole sheet, or stopped drawing."""


async def draw_here(content: Iterable[Message]) -> bytes:
    """Draw a short sheet in a thread, about 20 ms a page; never two at once in a process."""
    return await asyncio.to_thread(_draw, content)


def _draw(content: Iterable[Message]) -> bytes:
    # The PDF library is loaded by the first sheet, not by every service that starts.
    from farebox.engine.sheet_process import draw_sheet

    pieces: list[bytes] = []
    draw_sheet(content, pieces.append)
    return b"".join(pieces)


async def draw_apart(content: AsyncIterator[Message]) -> AsyncGenerator[bytes, None]:
    """Draw a sheet of any length in a process of its own and give its bytes as they come.

    DrawingError, or what `content` raised. Leaving the loop early ends the process.
    """
    command = (sys.executable, "-m", "farebox.engine.sheet_process")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    feeder = asyncio.create_task(_feed(process, content))
    try:
        async for chunk in _output(process):
            yield chunk
        status = await process.wait()
        await feeder
        if status != 0:
            raise DrawingError(f"the drawing process ended with status {status}")
    finally:
        _kill(process)
        feeder.cancel()
        await asyncio.gather(feeder, return_exceptions=True)
        await process.wait()


async def _feed(process: Process, content: AsyncIterator[Message]) -> None:
    """Send the messages. Input that ends means a whole sheet, so any failure ends the process."""
    pipe = process.stdin
    if pipe is None:
        raise DrawingError("the drawing process has no input")
    try:
        async for message in content:
            pipe.write(frame(message))
            await pipe.drain()
        pipe.close()
    except (BrokenPipeError, ConnectionResetError) as error:
        raise DrawingError("the drawing process went away") from error
    except BaseException:
        _kill(process)
        raise


async def _output(process: Process) -> AsyncIterator[bytes]:
    pipe = process.stdout
    if pipe is None:
        raise DrawingError("the drawing process has no output")
    while True:
        try:
            async with asyncio.timeout(_SILENCE_SECONDS_MAX):
                chunk = await pipe.read(_CHUNK_BYTES)
        except TimeoutError as error:
            raise DrawingError("the drawing process stopped drawing") from error
        if not chunk:
            return
        yield chunk


def _kill(process: Process) -> None:
    if process.returncode is None:
        try:
            process.kill()
        except ProcessLookupError:
            # It ended by itself in this moment.
            return

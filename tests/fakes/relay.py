"""A gateway that only copies bytes: `relay.py PORT UPSTREAM_PORT [FROM TO]` puts TO in FROM's place, both ways."""

import asyncio
import sys


async def main(port: int, upstream: int, old: bytes, new: bytes) -> None:
    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(1 << 16):
                sink.write(data.replace(old, new) if old else data)
                await sink.drain()
        except OSError:
            pass
        finally:
            sink.close()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", upstream)
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    server = await asyncio.start_server(client, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    first, second = [*sys.argv[3:], "", ""][:2]
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), first.encode(), second.encode()))

"""chromadb's own client as a load generator, in the server's environment.

chroma_client.py PORT COLLECTION DIMENSIONS SECONDS
"""

import asyncio
import json
import random
import resource
import sys
import time

import chromadb

AT_ONCE = 8
TOP_K = 10


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main(port: int, name: str, dimensions: int, seconds: float) -> None:
    client = await chromadb.AsyncHttpClient(host="127.0.0.1", port=port)
    collection = await client.get_collection(name, embedding_function=None)
    queries = [[random.gauss(0, 1) for _ in range(dimensions)] for _ in range(200)]
    n = 0
    began, before_s = time.monotonic(), cpu_s()

    async def ask() -> None:
        nonlocal n
        while time.monotonic() - began < seconds:
            await collection.query(query_embeddings=[queries[n % len(queries)]], n_results=TOP_K, include=["distances"])
            n += 1

    await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
    print(json.dumps({"n": n, "wall_s": time.monotonic() - began, "cpu_before_s": before_s}))


asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))

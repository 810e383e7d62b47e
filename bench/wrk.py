"""wrk as load generator: one Lua script reads the requests that each run prepared."""

import asyncio
import shutil
from itertools import count
from pathlib import Path

import msgspec

from bench.load import HOST, Load, Outcome

SEPARATOR = b"\x1e"  # JSON and header lines cannot hold it
OVERHANG = 20.0

# wrk always sleeps the whole duration, so a list that ends early is timed here, by the wall clock.
SCRIPT = r"""
local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long us; } bench_time; int gettimeofday(bench_time *, void *);")
local cell = ffi.new("bench_time")
local function now()
  ffi.C.gettimeofday(cell, nil)
  return tonumber(cell.s) * 1e6 + tonumber(cell.us)
end

local requests, once, at, running, tried = {}, false, 0, nil, false
first, last, ran_out = 0, 0, 0

function setup(thread)
  running = thread
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for request in file:read("*a"):gmatch("[^\30]+") do
    requests[#requests + 1] = request
  end
  file:close()
  once = args[2] == "once"
end

function request()
  if not tried then  -- wrk asks once to see the shape and sends nothing
    tried = true
    return requests[1]
  end
  if first == 0 then first = now() end
  if at >= #requests then
    if once and ran_out == 0 then
      ran_out, last = 1, now()
      wrk.thread:stop()
    end
    if once then return requests[#requests] end
    at = 0
  end
  at = at + 1
  return requests[at]
end

function done(summary, latency, _)
  local seconds = summary.duration
  if running:get("ran_out") == 1 then
    seconds = running:get("last") - running:get("first")
  end
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '\n{"requests":%d,"refused":%d,"broken":%d,"seconds":%.6f,"p50":%.4f,"p99":%.4f,"out":%s}\n',
    summary.requests, errors.status, broken, seconds / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    running:get("ran_out") == 1 and "true" or "false"))
end
"""


class _Printed(msgspec.Struct, frozen=True):
    requests: int
    refused: int
    broken: int
    seconds: float
    p50: float
    p99: float
    out: bool


class Wrk:
    """Requests in flight when a run ends are carried out but not counted by wrk."""

    def __init__(self, program: str, folder: Path) -> None:
        self.name = "wrk"
        self._program, self._folder, self._numbers = program, folder, count()
        self._script = folder / "bench.lua"
        self._script.write_text(SCRIPT)

    async def drive(self, load: Load, connections: int, seconds: int) -> Outcome:
        requests = self._folder / f"requests-{next(self._numbers)}"
        requests.write_bytes(SEPARATOR.join(load.requests))
        pace = f"-t1 -c{connections} -d{seconds} --timeout 10".split()
        script = ["-s", str(self._script), f"http://{HOST}:{load.port}/"]
        manner = [str(requests), "once" if load.once else "again"]
        process = await asyncio.create_subprocess_exec(
            self._program,
            *(*pace, *script, "--", *manner),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), seconds + OVERHANG)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            requests.unlink()
        return _outcome(output, connections)


def find(folder: Path) -> Wrk | None:
    program = shutil.which("wrk")
    return Wrk(program, folder) if program else None


def _outcome(output: bytes, connections: int) -> Outcome:
    last = output.strip().rsplit(b"\n", 1)[-1]
    try:
        printed = msgspec.json.decode(last, type=_Printed)
    except msgspec.DecodeError as error:
        raise RuntimeError(f"wrk said: {output.decode(errors='replace')[-500:]}") from error
    return Outcome(
        good=printed.requests - printed.refused,
        errors=printed.refused + printed.broken,
        seconds=printed.seconds,
        p50_ms=printed.p50,
        p99_ms=printed.p99,
        ran_out=printed.out,
        undecided=connections,
    )

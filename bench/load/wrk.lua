-- What wrk sends and how it reports, for bench/load/closed.ts. Reads CREDENTIALS (a file of Authorization values, used in turn,
-- SKIP of them left out at first), METHOD and BODY_BYTES from the environment; prints the counts as one line of JSON.
local credentials = {}
local at = 0

function init(args)
  wrk.method = os.getenv("METHOD") or "GET"
  local bytes = tonumber(os.getenv("BODY_BYTES") or "0")
  if bytes > 0 then
    wrk.body = string.rep("a", bytes)
  end
  at = tonumber(os.getenv("SKIP") or "0")
  local file = os.getenv("CREDENTIALS")
  if file then
    for line in io.lines(file) do
      credentials[#credentials + 1] = line
    end
  end
  fixed = wrk.format()
end

function request()
  if #credentials == 0 then
    return fixed
  end
  at = at % #credentials + 1
  wrk.headers["Authorization"] = credentials[at]
  return wrk.format()
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"ok":%d,"notOk":%d,"errors":%d,"seconds":%f,"bytes":%d,"latencyMs":{"p50":%f,"p99":%f,"p999":%f}}\n',
    summary.requests - errors.status, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency:percentile(99.9) / 1000
  ))
end

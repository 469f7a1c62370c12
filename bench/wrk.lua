-- Adds what every request of ours carries, and prints one line that bench/suites/read.ts reads.
wrk.headers["X-Auth-Token"] = os.getenv("BENCH_TOKEN")
wrk.headers["OpenStack-API-Version"] = "volume 3.71"

done = function(summary, latency)
  local errors = summary.errors
  print(string.format("RESULT requests=%d seconds=%.6f median=%.3f p99=%.3f bad=%d", summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end

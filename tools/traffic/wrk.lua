-- SPDX-License-Identifier: BSD-3-Clause
-- For wrk -s: what came of the run, on one line, "KEY VALUE KEY VALUE ...".
function done(summary, latency, requests)
	local e = summary.errors
	io.write(string.format("RESULT rate %.1f p50_ms %.4f p99_ms %.4f errors %d\n",
		summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1e3,
		latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end

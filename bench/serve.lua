-- For wrk: asks one path after the other of the file that AKIN_PATHS names.
local paths, at = {}, 0
wrk.headers["Host"] = "localhost"
for line in io.lines(os.getenv("AKIN_PATHS")) do paths[#paths + 1] = wrk.format("GET", line) end
-- Each thread has its own copy: threads begin apart.
function init() at = math.floor(os.clock() * 1e6) % #paths end
function request()
    at = at % #paths + 1
    return paths[at]
end

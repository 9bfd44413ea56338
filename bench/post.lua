-- POST of an item of about 300 bytes; the server makes the id.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"from":"writer@example.org","subject":"hello 42","body":"' .. string.rep("x", 200) .. '"}'

--- The collector at its most eager: what is freed too early shows itself sooner.
collectgarbage("incremental", 1, 1000, 1)

module durations

go 1.24

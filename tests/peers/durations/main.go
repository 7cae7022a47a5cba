// Says what Go makes of durations: reads lines, each a JSON string, and answers each with a line, "no" or the nanoseconds.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"time"
)

// What OpenChoreo's schema takes (v0.17.0, release_types.go).
var form = regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`)

func main() {
	out := bufio.NewWriter(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		duration, err := time.ParseDuration(text)
		if err != nil || !form.MatchString(text) {
			fmt.Fprintln(out, "no")
		} else {
			fmt.Fprintln(out, duration.Nanoseconds())
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := out.Flush(); err != nil {
		os.Exit(1)
	}
}

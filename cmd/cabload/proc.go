package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc (USER_HZ, 100 on every Linux
// architecture Go knows).
const clockTick = 10 * time.Millisecond

// process is the PBX as /proc shows it: the process and its descendants.
type process int

// processStat is the part of /proc/PID/stat (proc(5)) that is used here.
type processStat struct {
	parent int
	cpu    time.Duration // user and system, with children that have ended and were waited for
}

func readStat(pid int) (processStat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processStat{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	// The command's name, in brackets, may hold anything; fields are counted behind it.
	f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(f) < 15 {
		return processStat{}, fmt.Errorf("read process %d: %d fields", pid, len(f))
	}
	var st processStat
	st.parent, _ = strconv.Atoi(f[1])
	for _, field := range f[11:15] { // utime stime cutime cstime
		ticks, _ := strconv.Atoi(field)
		st.cpu += time.Duration(ticks) * clockTick
	}
	return st, nil
}

// family is the process and its living descendants.
func (p process) family() ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if st, err := readStat(pid); err == nil { // it may have ended meanwhile
			children[st.parent] = append(children[st.parent], pid)
		}
	}
	family := []int{int(p)}
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i]]...)
	}
	return family, nil
}

// cpu is all the processor time used so far; 0 where there is no process to
// look at.
func (p process) cpu() (sum time.Duration, err error) {
	if p == 0 {
		return 0, nil
	}
	family, err := p.family()
	if err != nil {
		return 0, err
	}
	for _, pid := range family {
		st, err := readStat(pid)
		if err != nil && pid == int(p) {
			return 0, err
		}
		sum += st.cpu
	}
	return sum, nil
}

// memory is the resident set, in KB.
func (p process) memory() (sum int, err error) { return p.status("VmRSS:") }

// own is the resident set without the pages of files, in KB: without those of the
// program itself, which are mapped as they are first needed, and once for all calls.
func (p process) own() (sum int, err error) { return p.status("RssAnon:") }

// status adds up a line of proc_pid_status(5), in KB.
func (p process) status(line string) (sum int, err error) {
	if p == 0 {
		return 0, nil
	}
	family, err := p.family()
	if err != nil {
		return 0, err
	}
	for _, pid := range family {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil && pid == int(p) {
			return 0, fmt.Errorf("read process %d: %w", pid, err)
		}
		_, after, _ := strings.Cut(string(data), line)
		if fields := strings.Fields(after); len(fields) > 0 {
			kb, _ := strconv.Atoi(fields[0])
			sum += kb
		}
	}
	return sum, nil
}

// machineCPU is what all processes together have used (proc(5), /proc/stat:
// all but idle and waiting for the disk).
func machineCPU() (sum time.Duration, err error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	for i, field := range strings.Fields(line) {
		if i == 0 || i == 4 || i == 5 || i > 8 { // the name, idle, iowait, guests (counted in user)
			continue
		}
		ticks, _ := strconv.Atoi(field)
		sum += time.Duration(ticks) * clockTick
	}
	return sum, nil
}

// usage is who used the processor over a time, in seconds.
type usage struct {
	PBX     float64 `json:"pbx_seconds"`
	Own     float64 `json:"own_seconds"`
	Foreign float64 `json:"foreign_seconds"` // everybody else: much of it spoils the figures
}

// watch begins to measure; the function returned ends it.
func watch(pbx process) (func() (usage, error), error) {
	read := func() (at [3]time.Duration, err error) {
		if at[0], err = pbx.cpu(); err != nil {
			return at, err
		}
		own, err := readStat(os.Getpid())
		if err != nil {
			return at, err
		}
		at[1] = own.cpu
		at[2], err = machineCPU()
		return at, err
	}
	from, err := read()
	if err != nil {
		return nil, err
	}
	return func() (usage, error) {
		to, err := read()
		u := usage{PBX: (to[0] - from[0]).Seconds(), Own: (to[1] - from[1]).Seconds()}
		u.Foreign = max(0, (to[2]-from[2]).Seconds()-u.PBX-u.Own)
		return u, err
	}, nil
}

package main

import (
	"bufio"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// unmap takes the pages of our own program's file out of our address space. The
// kernel has mapped nearly all of it by now, some 30 MB, for it maps what lies
// around each page that is touched; what runs on is half of that, and comes back
// from its cache at the first touch.
func unmap() {
	file, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer maps.Close()
	for _, clean := range cleanMappings(bufio.NewScanner(maps), file) {
		// Of what nobody can write and nobody has written nothing is lost.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, clean[0], clean[1]-clean[0], unix.MADV_DONTNEED)
	}
}

// cleanMappings are the bounds of a file's mappings in smaps (proc_pid_smaps(5))
// that are read-only and of which no page differs from the file.
func cleanMappings(smaps *bufio.Scanner, file string) (all [][2]uintptr) {
	var bounds [2]uintptr
	ours := false
	for smaps.Scan() {
		f := strings.Fields(smaps.Text())
		switch {
		case len(f) >= 5 && !strings.HasSuffix(f[0], ":"): // address perms offset dev inode [path]
			from, to, _ := strings.Cut(f[0], "-")
			low, wrong := strconv.ParseUint(from, 16, 64)
			high, err := strconv.ParseUint(to, 16, 64)
			bounds = [2]uintptr{uintptr(low), uintptr(high)}
			ours = wrong == nil && err == nil && len(f) == 6 && f[5] == file && strings.HasPrefix(f[1], "r-")
		case ours && len(f) >= 2 && f[0] == "Private_Dirty:" && f[1] == "0":
			all = append(all, bounds)
		}
	}
	return all
}

package main

import (
	"bufio"
	"slices"
	"strings"
	"testing"
)

func TestOnlyWhatEqualsOurFileIsUnmapped(t *testing.T) {
	const smaps = `00400000-00403000 r--p 00000000 fe:00 8 /usr/bin/cabline
Private_Clean:        12 kB
Private_Dirty:         0 kB
00403000-010b5000 r-xp 00003000 fe:00 8 /usr/bin/cabline
Private_Dirty:         0 kB
02400000-02403000 r--p 02000000 fe:00 8 /usr/bin/cabline
Private_Dirty:         4 kB
02403000-025b3000 rw-p 02003000 fe:00 8 /usr/bin/cabline
Private_Dirty:         0 kB
025b3000-045fb000 rw-p 00000000 00:00 0
Private_Dirty:         0 kB
7f6d8000000-7f6d8021000 r--p 00000000 fe:00 9 /usr/lib/libopus.so.0
Private_Dirty:         0 kB
7ffe0000000-7ffe0021000 r--p 00000000 fe:00 8 /usr/bin/cabline (deleted)
Private_Dirty:         0 kB
`
	got := cleanMappings(bufio.NewScanner(strings.NewReader(smaps)), "/usr/bin/cabline")
	if want := [][2]uintptr{{0x400000, 0x403000}, {0x403000, 0x10b5000}}; !slices.Equal(got, want) {
		t.Errorf("%x", got)
	}
}
